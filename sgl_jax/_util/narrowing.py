"""Arrays that lose positions, and values that know shapes of arrays and follow them."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from sgl_jax._util.pytree import is_key
from sgl_jax._util.typing import Path


__all__ = ["Kept", "LeafPlan", "Narrowable", "narrow_parts", "take"]

Kept: TypeAlias = tuple[int, ...] | None
"""The positions of an axis that stay, ascending; ``None`` for all."""

N = TypeVar("N", bound="Narrowable")


@dataclasses.dataclass(frozen=True)
class LeafPlan:
    """The part of a leaf that stays.

    Attributes:
      shape: shape of the whole leaf.
      kept: for every axis the positions that stay.
    """

    shape: tuple[int, ...]
    kept: tuple[Kept, ...]

    @classmethod
    def from_json(cls, shape: Sequence[int], kept: Sequence[Sequence[int] | None]) -> "LeafPlan":
        """Makes a part of what JSON has of its attributes.

        Raises:
          ValueError: positions that are no ascending ones of their axis.
        """
        for size, some in zip(shape, kept, strict=True):
            if some is not None and list(some) != sorted({k for k in some if 0 <= k < size}):
                raise ValueError(f"kept positions {some} of an axis of {size}")
        return cls(tuple(shape), tuple(None if some is None else tuple(some) for some in kept))

    @property
    def narrow_shape(self) -> tuple[int, ...]:
        """Shape of the part that stays."""
        pairs = zip(self.shape, self.kept, strict=True)
        return tuple(size if kept is None else len(kept) for size, kept in pairs)

    @property
    def removed(self) -> int:
        """Number of entries that do not stay."""
        return math.prod(self.shape) - math.prod(self.narrow_shape)

    def take(self, leaf: Any) -> Any:
        """Slices a leaf.

        Raises:
          ValueError: the leaf has another shape.
        """
        if np.shape(leaf) != self.shape:
            raise ValueError(
                f"A leaf that loses positions needs the shape {self.shape}, got {np.shape(leaf)}; "
                "give one of the parameters that were compacted."
            )
        return take(leaf, self.kept)

    def put(self, narrow: Any) -> Any:
        """Inverts :meth:`take`, with zeros in the positions that were removed."""
        where = np.ix_(*map(_positions, self.shape, self.kept))
        return jnp.zeros(self.shape, narrow.dtype).at[where].set(narrow)

    def then(self, further: "LeafPlan") -> "LeafPlan":
        """Joins two parts: that of a whole leaf that stays if ``further`` narrows it once more."""
        pairs = zip(self.shape, self.kept, further.kept, strict=True)
        return LeafPlan(self.shape, tuple(_join(*pair) for pair in pairs))


def _positions(size: int, kept: Kept) -> np.ndarray:
    """Lists the positions of an axis that stay."""
    return np.arange(size) if kept is None else np.asarray(kept, int)


def _join(size: int, first: Kept, second: Kept) -> Kept:
    """Lists the positions of an axis that stay after two removals."""
    if second is None:
        return first
    return tuple(_positions(size, first)[np.asarray(second, int)].tolist())


@runtime_checkable
class Narrowable(Protocol):
    """A value that knows shapes of parameters, and can follow parameters that lose positions.

    A class in the state of an optimizer that has such a method is narrowed by it whenever the
    parameters are; arrays need none.
    """

    def narrowed(self: N, kept: Mapping[Path, LeafPlan]) -> N:
        """The same value for parameters of which only some positions are left.

        Args:
          kept: for every leaf of the parameters, by its path, the part that stays.
        """


def narrow_parts(tree: Any, kept: Mapping[Path, LeafPlan]) -> Any:
    """Narrows every :class:`Narrowable` in a tree; everything else stays as it is."""

    def narrowed(node):
        return node.narrowed(kept) if isinstance(node, Narrowable) else node

    return jax.tree.map(narrowed, tree, is_leaf=lambda node: isinstance(node, Narrowable))


def take(array: Any, kept: Sequence[Sequence[int] | np.ndarray | None]) -> Any:
    """Slices an array along every axis; nothing is traced if the array has its numbers.

    Args:
      array: an array of NumPy or JAX.
      kept: for every axis the positions that stay; ``None`` for all.
    """
    where = [(k, np.asarray(left, int)) for k, left in enumerate(kept) if left is not None]
    if where and _has_numbers(array):
        replicated = array.sharding.is_fully_replicated
        narrow = take(np.asarray(array), kept)
        with jax.ensure_compile_time_eval():
            return jax.device_put(narrow, array.sharding if replicated else None)
    for axis, left in where:
        array = array[(slice(None),) * axis + (left,)]
    return array


def _has_numbers(array: Any) -> bool:
    """True if an array is one of JAX with numbers: no key, and not traced."""
    concrete = isinstance(array, jax.Array) and not isinstance(array, jax.core.Tracer)
    return concrete and not is_key(array)
