"""Small random networks, with the channels that are dead by construction.

A network is drawn layer by layer. Beside each value go, per channel, the number that the channel
is if it is the same everywhere and for every input, and the unit it belongs to: channels of one
unit come and go together.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


LAYOUT = "NHWC", "HWIO", "NHWC"
ACTIVATIONS = {
    "abs": (jnp.abs, np.abs),
    "relu": (jax.nn.relu, lambda x: np.maximum(x, 0)),
    "softplus": (jax.nn.softplus, lambda x: np.log1p(np.exp(x))),
    "square": (jnp.square, np.square),
    "tanh": (jnp.tanh, np.tanh),
}


def only_zero(number):
    """Zeros stay; other numbers differ from place to place afterwards."""
    return np.where(number == 0, 0.0, np.nan)


def row_of(images, side):
    """A row that depends on the images."""
    return jnp.argmax(jnp.sum(jnp.abs(images), axis=(0, 2, 3))) % side


def pair(join, other):
    """Stacks images and others, and joins the two."""
    return lambda x, row: join(jnp.stack([x, other(x)], axis=-2), axis=-2)


MIXTURES = {
    "anywhere": (lambda x, row: x[:, row][:, None] + 0 * x, lambda number: number),
    "cumulative": (lambda x, row: jnp.cumsum(x, axis=2), only_zero),
    "fourier": (lambda x, row: jnp.fft.fft(x, axis=1).real, only_zero),
    "joined": (pair(jnp.max, jnp.negative), np.abs),
    "ranked": (
        lambda x, row: jnp.take_along_axis(x, jnp.argsort(-x, axis=1), axis=1),
        lambda number: number,
    ),
    "rolled": (lambda x, row: jnp.roll(x, row, axis=1), lambda number: number),
    "sorted": (lambda x, row: jnp.sort(x, axis=2), lambda number: number),
    "unstacked": (lambda x, row: x + sum(jnp.unstack(x, axis=2))[:, :, None], only_zero),
    "written": (
        lambda x, row: jax.lax.dynamic_update_slice(x, 2 * x[:, :1], (0, row, 0, 0)),
        only_zero,
    ),
    "zeroed": (lambda x, row: x.at[:, 0].set(0.0), only_zero),
}
"""Operations that mix the pixels of a channel, and what becomes of a constant channel."""


@dataclasses.dataclass(frozen=True)
class Value:
    """An array of a network: its pixels per side (0 if it is flat), and facts on each channel."""

    at: int
    side: int
    number: np.ndarray  # NaN if it varies
    unit: np.ndarray

    @property
    def width(self) -> int:
        return len(self.number)


class RandomNetwork:
    """A network of some random layers.

    Attributes:
      params: arrays by name.
      dead: for every kernel that makes channels which of them are dead.
    """

    def __init__(self, seed: int, layers: int = 4) -> None:
        self.random = np.random.default_rng(seed)
        self.params: dict[str, Any] = {}
        self._steps: list[Callable[..., Any]] = []
        self._units: list[int] = []
        self._needed: set[int] = set()
        self._made: dict[str, np.ndarray] = {}
        value = self._value(5, np.full(2, np.nan), self._new(2))
        self._needed |= set(value.unit.tolist())
        values = [value]
        for _ in range(layers):
            kinds = [self._conv, self._conv, self._grouped, self._norm, self._act, self._act]
            others = [self._pool, self._join, self._mix, self._mix, self._lay_out]
            value = self._pick([*kinds, *others])(self._pick([value, value, *values]))
            values.append(value)
        value = self._act(self._dense(self._flat(value), 4))
        value = self._dense(value, 2)
        self._needed |= set(value.unit.tolist())
        needed = {self._root(unit) for unit in self._needed}
        self.dead = {
            name: np.array([self._root(unit) not in needed for unit in units.tolist()])
            for name, units in self._made.items()
        }
        self.inputs = self.random.standard_normal((2, 5, 5, 2))

    def apply(self, params: Any, x: jax.Array) -> jax.Array:
        """The last of the values."""
        values = [x]
        for step in self._steps:
            values.append(step(params, values))
        return values[-1]

    def _pick(self, options: Any) -> Any:
        return options[self.random.integers(len(options))]

    def _value(self, side: int, number: Any, unit: Any, step: Any = None) -> Value:
        if step is not None:
            self._steps.append(step)
        return Value(len(self._steps), side, np.asarray(number, float), np.asarray(unit, int))

    def _new(self, count: int) -> np.ndarray:
        units = np.arange(len(self._units), len(self._units) + count)
        self._units += units.tolist()
        return units

    def _root(self, unit: int) -> int:
        while self._units[unit] != unit:
            unit = self._units[unit]
        return unit

    def _tie(self, *units: int) -> None:
        roots = [self._root(unit) for unit in units]
        for root in roots:
            self._units[root] = min(roots)

    def _draw(self, kind: str, *shape: int, dead: float = 0.2) -> str:
        """Adds a leaf in which some channels are zero."""
        name = f"{kind}{len(self.params)}"
        leaf = self.random.standard_normal(shape)
        leaf[..., self.random.random(shape[-1]) < dead] = 0
        if len(shape) > 1:
            leaf[..., self.random.random(shape[-2]) < 0.1, :] = 0
        self.params[name] = jnp.asarray(leaf)
        return name

    def _biased(self, kernel: str, width: int) -> tuple[str | None, np.ndarray]:
        if self.random.random() < 0.25:
            return None, np.zeros(width)
        bias = self._draw("bias", width, dead=0.2)
        if self.random.random() < 0.5:
            filters = np.asarray(self.params[kernel])
            silent = (filters == 0).all(axis=tuple(range(filters.ndim - 1)))
            self.params[bias] = jnp.where(silent, 0, self.params[bias])
        return bias, np.asarray(self.params[bias])

    def _conv(self, value: Value, groups: int = 1, width: int | None = None) -> Value:
        width = int(self.random.integers(3, 6)) if width is None else width
        size = self._pick([1, 3]) if value.side >= 3 else 1
        padding = self._pick(["VALID", "SAME", [(1, 0), (0, 1)]]) if size > 1 else "VALID"
        stride = self._pick([1, 1, 2])
        kernel = self._draw("kernel", size, size, value.width // groups, width)
        bias, shift = self._biased(kernel, width)

        def step(params, values):
            made = jax.lax.conv_general_dilated(
                values[value.at],
                params[kernel],
                (stride, stride),
                padding,
                dimension_numbers=LAYOUT,
                feature_group_count=groups,
            )
            return made if bias is None else made + params[bias].reshape(1, 1, 1, -1)

        side = {"VALID": value.side - size, "SAME": value.side - 1}.get(
            padding if isinstance(padding, str) else "", value.side + 1 - size
        )
        unit = self._new(width)
        number = self._sums(value, kernel, groups, padding != "VALID") + shift
        self._made[kernel] = unit
        if groups == 1:
            self._read(value, kernel, folds=bias is not None and padding == "VALID")
        for group in range(groups if groups > 1 else 0):
            pair = (np.split(units, groups)[group].tolist() for units in (value.unit, unit))
            self._tie(*(unit for units in pair for unit in units))
        return self._value(side // stride + 1, number, unit, step)

    def _grouped(self, value: Value) -> Value:
        if value.width % 2 or self.random.random() < 0.6:
            return self._conv(value, value.width, value.width * self._pick([1, 2]))
        return self._conv(value, 2, 4)

    def _sums(self, value: Value, kernel: str, groups: int, borders: bool) -> np.ndarray:
        """The constants that the channels sum up to, without bias; NaN where they vary."""
        leaf = np.asarray(self.params[kernel])
        leaf = leaf.reshape(-1, *leaf.shape[-2:])
        of_group = np.split(value.number, groups)
        sums = np.zeros(leaf.shape[-1])
        for k in range(len(sums)):
            for number, weights in zip(
                of_group[k * groups // len(sums)], leaf[..., k].T, strict=True
            ):
                if weights.any() and number != 0:
                    sums[k] += np.nan if borders else number * weights.sum()
        return sums

    def _read(self, value: Value, kernel: str, folds: bool) -> None:
        leaf = np.asarray(self.params[kernel])
        reads = (leaf != 0).any(axis=(*range(leaf.ndim - 2), -1))
        free = (value.number == 0) | (folds & ~np.isnan(value.number))
        self._needed |= set(value.unit[reads & ~free].tolist())

    def _norm(self, value: Value) -> Value:
        scale, shift = self._draw("scale", value.width), self._draw("shift", value.width)
        mean, var = self._draw("mean", value.width, dead=0), self._draw("var", value.width, dead=0)
        self.params[var] = self.params[var] ** 2

        def step(params, values):
            s, b, m, v = (params[n].reshape(1, 1, 1, -1) for n in (scale, shift, mean, var))
            return (values[value.at] - m) * (s * jax.lax.rsqrt(v + 0.1)) + b

        s, b, m, v = (np.asarray(self.params[n]) for n in (scale, shift, mean, var))
        number = np.where(s == 0, b, (value.number - m) * s / np.sqrt(v + 0.1) + b)
        return self._value(value.side, number, value.unit, step)

    def _act(self, value: Value) -> Value:
        there, here = ACTIVATIONS[self._pick(sorted(ACTIVATIONS))]
        step = lambda _, values: there(values[value.at])  # noqa: E731
        return self._value(value.side, here(value.number), value.unit, step)

    def _pool(self, value: Value) -> Value:
        largest, padding = self._pick([True, False]), self._pick(["SAME", "VALID"])
        if value.side < 2:
            return value
        start, join = (-np.inf, jax.lax.max) if largest else (0.0, jax.lax.add)

        def step(_, values):
            window = (1, 2, 2, 1), (1, 2, 2, 1), padding
            pooled = jax.lax.reduce_window(values[value.at], start, join, *window)
            return pooled if largest else pooled / 4

        same = largest or padding == "VALID" or value.side % 2 == 0
        number = value.number if same else np.where(value.number == 0, 0, np.nan)
        side = (value.side + (padding == "SAME")) // 2
        return self._value(side, number, value.unit, step)

    def _mix(self, value: Value) -> Value:
        there, here = MIXTURES[self._pick(sorted(MIXTURES))]

        def step(_, values):
            return there(values[value.at], row_of(values[0], value.side))

        return self._value(value.side, here(value.number), value.unit, step)

    def _lay_out(self, value: Value) -> Value:
        """Repeats the channels, or writes them between channels of zeros."""
        if self._pick([True, False]):
            step = lambda _, values: jnp.tile(values[value.at], (1, 1, 1, 2))  # noqa: E731
            return self._value(value.side, np.tile(value.number, 2), np.tile(value.unit, 2), step)

        def step(_, values):
            x = values[value.at]
            return jnp.zeros((*x.shape[:-1], value.width + 2), x.dtype).at[..., 1:-1].set(x)

        unit = np.concatenate([self._new(1), value.unit, self._new(1)])
        return self._value(value.side, np.pad(value.number, 1), unit, step)

    def _join(self, value: Value) -> Value:
        """Joins a value with itself, or with a convolution of it."""
        other = self._pick([value, self._conv(value, width=value.width)])
        other = other if other.side == value.side else value
        if self._pick([True, False]):
            step = lambda _, values: jnp.concatenate(  # noqa: E731
                [values[value.at], values[other.at]], -1
            )
            pairs = [(value.number, other.number), (value.unit, other.unit)]
            return self._value(value.side, *(np.concatenate(pair) for pair in pairs), step)
        for pair in zip(value.unit.tolist(), other.unit.tolist(), strict=True):
            self._tie(*pair)
        step = lambda _, values: values[value.at] + values[other.at]  # noqa: E731
        return self._value(value.side, value.number + other.number, value.unit, step)

    def _flat(self, value: Value) -> Value:
        if self._pick([True, False]):
            step = lambda _, values: jnp.mean(values[value.at], axis=(1, 2))  # noqa: E731
            return self._value(0, value.number, value.unit, step)
        step = lambda _, values: values[value.at].reshape(len(values[0]), -1)  # noqa: E731
        pixels = value.side**2
        return self._value(0, np.tile(value.number, pixels), np.tile(value.unit, pixels), step)

    def _dense(self, value: Value, width: int) -> Value:
        kernel = self._draw("kernel", value.width, width)
        bias, shift = self._biased(kernel, width)

        def step(params, values):
            made = values[value.at] @ params[kernel]
            return made if bias is None else made + params[bias][None]

        number, unit = self._sums(value, kernel, 1, False) + shift, self._new(width)
        self._made[kernel] = unit
        self._read(value, kernel, folds=bias is not None)
        return self._value(0, number, unit, step)
