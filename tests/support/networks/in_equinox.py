"""LeNet-5 and a residual network in Equinox, channels first; the tree is ``(arrays, state)``."""

import functools

import equinox
import jax
import numpy as np

from support.networks._base import Entry, Make, Spec, Unit, Widths
from support.networks._residual import SMALL, residual_units
from support.networks._values import fill
from support.networks._wiring import Wiring, flattened_first
from support.networks.plain import lenet5_units


EQUINOX = Wiring(
    kernel="0/{}/weight",
    bias="0/{}/bias",
    outputs=0,
    inputs=1,
    scale="0/{}/weight",
    shift="0/{}/bias",
    statistics=(),
    channels=0,
)


class LeNet5(equinox.Module):
    """As in :class:`sgl_jax.models.LeNet5`, channels first."""

    conv1: equinox.nn.Conv2d
    conv2: equinox.nn.Conv2d
    fc1: equinox.nn.Linear
    fc2: equinox.nn.Linear

    def __init__(self, widths: Widths, key: jax.Array) -> None:
        filters1, filters2, units = widths
        self.conv1 = equinox.nn.Conv2d(1, filters1, 5, key=key)
        self.conv2 = equinox.nn.Conv2d(filters1, filters2, 5, key=key)
        self.fc1 = equinox.nn.Linear(16 * filters2, units, key=key)
        self.fc2 = equinox.nn.Linear(units, 10, key=key)

    def __call__(self, x: jax.Array, state: equinox.nn.State) -> jax.Array:
        pool = equinox.nn.MaxPool2d(2, 2)
        x = pool(jax.nn.relu(self.conv1(x)))
        x = pool(jax.nn.relu(self.conv2(x))).ravel()
        return self.fc2(jax.nn.relu(self.fc1(x)))


class Residual(equinox.Module):
    """The network of :mod:`networks._residual`, channels first."""

    conv0: equinox.nn.Conv2d
    conv1: equinox.nn.Conv2d
    conv2: equinox.nn.Conv2d
    conv3: equinox.nn.Conv2d
    conv4: equinox.nn.Conv2d
    conv5: equinox.nn.Conv2d
    norm0: equinox.nn.BatchNorm
    norm1: equinox.nn.BatchNorm
    norm2: equinox.nn.BatchNorm
    norm3: equinox.nn.BatchNorm
    norm4: equinox.nn.BatchNorm
    norm5: equinox.nn.BatchNorm
    fc: equinox.nn.Linear

    def __init__(self, widths: Widths, key: jax.Array) -> None:
        first, inner1, second, inner2 = widths
        inputs = (3, first, inner1, first, inner2, first)
        outputs = (first, inner1, first, inner2, second, second)
        for i, (fed, made) in enumerate(zip(inputs, outputs, strict=True)):
            size, stride = (1 if i == 5 else 3), (2 if i in (3, 5) else 1)
            conv = equinox.nn.Conv2d(fed, made, size, stride, padding=size // 2, key=key)
            setattr(self, f"conv{i}", conv)
            setattr(self, f"norm{i}", equinox.nn.BatchNorm(made, "batch", mode="ema"))
        self.fc = equinox.nn.Linear(second, 10, key=key)

    def __call__(self, x: jax.Array, state: equinox.nn.State) -> jax.Array:
        def layer(i, x):
            return getattr(self, f"norm{i}")(getattr(self, f"conv{i}")(x), state, inference=True)[0]

        x = jax.nn.relu(layer(0, x))
        x = jax.nn.relu(x + layer(2, jax.nn.relu(layer(1, x))))
        x = jax.nn.relu(layer(5, x) + layer(4, jax.nn.relu(layer(3, x))))
        return self.fc(x.mean(axis=(1, 2)))


def make(model: type[equinox.Module]) -> Make:
    def build(widths, seed):
        blank = equinox.filter_eval_shape(
            equinox.nn.make_with_state(model), widths, jax.random.key(0)
        )
        arrays, static = equinox.partition(
            blank, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct)
        )

        def apply(params, x):
            network, state = equinox.combine(params, static)
            return jax.vmap(lambda one: network(one, state), axis_name="batch")(x)

        return apply, fill(arrays, seed, outputs=0, variances=r"^1/\d+/1$")

    return build


def with_statistics(widths: Widths) -> list[Unit]:
    """The state holds, for the norms in order, a flag and the pair of mean and variance."""
    numbers = (0, 2), (1,), (4, 5), (3,)
    units = residual_units(widths, EQUINOX)
    for i, width in enumerate(widths):
        paths = [f"1/{2 * number + 1}/{part}" for number in numbers[i] for part in (0, 1)]
        entries = tuple(Entry(path, 0, np.arange(width)[:, None]) for path in paths)
        units[i] = units[i]._replace(followers=units[i].followers + entries)
    return units


EQUINOX_NETWORKS = {
    "equinox_lenet5": Spec(
        make(LeNet5),
        functools.partial(lenet5_units, wiring=EQUINOX, rows=flattened_first),
        (1, 28, 28),
        (6, 8, 12),
    ),
    "equinox_residual": Spec(make(Residual), with_statistics, (3, 16, 16), SMALL),
}
