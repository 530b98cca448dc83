"""Networks of the zoo: how each is built, and the leaves that hold each of its channels.

A network is an ordinary function ``apply(params, x)`` with one tree of everything that can be
sliced. Its widths are arguments, so the network that is built narrow by hand is one more instance,
and what a compacted network must equal. A *unit* is what one of the widths counts: the channels
that are dead once all their slices in the *writers* are zero, and whose slices in writers and
*followers* then go.
"""

import collections
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sgl_jax._util.pytree import flatten_by_path


Widths = tuple[int, ...]
Apply = Callable[[Any, Any], Any]
Make = Callable[[Widths, int], tuple[Apply, Any]]
Draw = Callable[[jax.Array, int], Any]


class Entry(NamedTuple):
    """The positions of a leaf that hold the channels of a unit.

    Attributes:
      path: of the leaf, by :func:`sgl_jax._util.pytree.flatten_by_path`.
      axis: counted from the front, or, negative, from the back.
      index: integers (channels of the unit, k); row c has the positions that belong to channel c.
    """

    path: str
    axis: int
    index: np.ndarray


class Unit(NamedTuple):
    """The channels that one width counts.

    Attributes:
      writers: kernels by their outputs, biases, scales and shifts of norms; with all of them zero
        a channel is dead.
      followers: leaves that lose a channel without being zero in it: kernels by their inputs,
        running means and variances, gates that multiply the channel.
    """

    writers: tuple[Entry, ...]
    followers: tuple[Entry, ...]


@dataclasses.dataclass(frozen=True)
class Spec:
    """A network and its units.

    Attributes:
      make: ``make(widths, seed) -> (apply, params)``.
      units: ``units(widths)``, one per width.
      input_shape: of one example, for the small instance; empty with ``draw``.
      widths: of the small instance, for tests.
      full_widths: of the published network, for benchmarks.
      full_shape: of its examples.
      note: a remark.
      draw: ``draw(key, batch)``, the inputs of networks that do not take one normal array.
      counting: if some layer divides by one of the widths, so that the network built narrow has
        the shapes and products of the compacted one, but other answers.
    """

    make: Make
    units: Callable[[Widths], Sequence[Unit]]
    input_shape: tuple[int, ...]
    widths: Widths
    full_widths: Widths | None = None
    full_shape: tuple[int, ...] | None = None
    note: str = ""
    draw: Draw | None = None
    counting: bool = False

    def build(self, widths: Widths | None = None, seed: int = 0) -> tuple[Apply, Any]:
        """The network in use, not in training, and random parameters and statistics."""
        return self.make(self.widths if widths is None else tuple(widths), seed)

    def inputs(self, batch: int, seed: int, dtype: Any = np.float32) -> Any:
        """Draws a batch of inputs, real numbers with this dtype."""
        key = jax.random.key(seed)
        if self.draw is None:
            return jax.random.normal(key, (batch, *self.input_shape), dtype)
        return jax.tree.map(
            lambda x: x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x,
            self.draw(key, batch),
        )

    def writers(self, widths: Widths | None = None) -> tuple[tuple[Entry, ...], ...]:
        """The writers of each width."""
        return tuple(unit.writers for unit in self.checked(widths))

    def followers(self, widths: Widths | None = None) -> tuple[tuple[Entry, ...], ...]:
        """The followers of each width."""
        return tuple(unit.followers for unit in self.checked(widths))

    def checked(self, widths: Widths | None = None) -> Sequence[Unit]:
        """The units, of which each has entries of as many channels as its width."""
        widths = self.widths if widths is None else tuple(widths)
        units = self.units(widths)
        for width, unit in zip(widths, units, strict=True):
            assert all(len(entry.index) == width for entry in unit.writers + unit.followers)
        return units


def kill(
    spec: Spec, params: Any, seed: int, share: float, widths: Widths | None = None
) -> tuple[Any, tuple[np.ndarray, ...]]:
    """Zeroes a random share of the channels of every unit in all its writers.

    Returns:
      The parameters, and for each width the dead channels; at least one stays alive.
    """
    generator = np.random.default_rng(seed)
    widths = spec.widths if widths is None else widths
    dead = tuple(
        np.sort(generator.permutation(width)[: min(width - 1, round(share * width))])
        for width in widths
    )
    leaves, rebuild = flatten_by_path(params)
    for entries, channels in zip(spec.writers(widths), dead, strict=True):
        for path, axis, index in entries:
            leaf = np.array(leaves[path])
            np.moveaxis(leaf, axis, 0)[index[channels].ravel()] = 0
            leaves[path] = jnp.asarray(leaf)
    return rebuild(leaves), dead


def narrow_widths(spec: Spec, dead: Sequence[np.ndarray], widths: Widths | None = None) -> Widths:
    """The widths without the dead channels."""
    widths = spec.widths if widths is None else widths
    return tuple(width - len(channels) for width, channels in zip(widths, dead, strict=True))


def narrow_by_hand(
    spec: Spec, params: Any, dead: Sequence[np.ndarray], widths: Widths | None = None
) -> Any:
    """The parameters without the dead channels, as a tree of the network that is built narrow."""
    removed = collections.defaultdict(list)
    for unit, channels in zip(spec.checked(widths), dead, strict=True):
        for path, axis, index in unit.writers + unit.followers:
            removed[path, axis].append(index[channels].ravel())
    leaves, _ = flatten_by_path(params)
    for (path, axis), positions in removed.items():
        cut = np.delete(np.asarray(leaves[path]), np.concatenate(positions), axis)
        leaves[path] = jnp.asarray(cut)
    _, blank = spec.build(narrow_widths(spec, dead, widths))
    return flatten_by_path(blank)[1](leaves)


def trained(variables: Any) -> Any:
    """The arrays of a network that are trained, from those of which some are statistics."""
    return variables[0] if isinstance(variables, tuple) else variables["params"]


def with_trained(variables: Any, params: Any) -> Any:
    """All arrays of a network, with others in the place of those that are trained."""
    if isinstance(variables, tuple):
        return params, *variables[1:]
    return {**variables, "params": params}
