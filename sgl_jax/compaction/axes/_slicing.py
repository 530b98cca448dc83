"""The positions that are removed from a program, as slices of its values."""

from typing import Any

import numpy as np

from sgl_jax._util.narrowing import take
from sgl_jax.compaction.axes._disjoint_sets import Axis
from sgl_jax.compaction.axes._structure import Structure


__all__ = ["Slicing"]


class Slicing:
    """A program without some of its positions.

    Attributes:
      structure: the program, read.
      removed: positions that are removed, with all that are tied to them.
      is_removed: True for the positions that are removed.
    """

    def __init__(self, structure: Structure, removed: frozenset[int]) -> None:
        self.structure, self.removed = structure, removed
        roots = structure.sets.roots()
        is_removed = np.zeros(len(roots), bool)
        is_removed[roots[list(removed)]] = True
        self.is_removed = is_removed[roots]

    def differs(self, before: "Slicing") -> bool:
        """True if this slicing removes other positions than ``before``, or a protected one.

        Args:
          before: a slicing of a program with fewer positions, numbered like the first ones here.
        """
        same = np.array_equal(self.is_removed[: len(before.is_removed)], before.is_removed)
        return not same or self.violation is not None

    @property
    def violation(self) -> str | None:
        """The reason why a position that is removed has to stay; ``None`` if none has to."""
        for root, why in self.structure.sets.reasons().items():
            if self.is_removed[root]:
                return why
        for equation, axes in self.structure.loops:
            if any(self.is_removed[axis].any() for axis in axes):
                return f"{equation} runs over it"
        return None

    def mask(self, axis: Axis) -> np.ndarray | None:
        """True for the positions of an axis that stay; ``None`` if all do."""
        if axis is None or not self.is_removed[axis].any():
            return None
        return ~self.is_removed[axis]

    def masks(self, value: int) -> list[np.ndarray | None]:
        """The :meth:`mask` of every axis of a value."""
        return [self.mask(axis) for axis in self.structure.axes[value]]

    def shape(self, value: int) -> tuple[Any, ...]:
        """The shape of a value without what is removed."""
        pairs = zip(self.structure.shape(value), self.masks(value), strict=True)
        return tuple(size if mask is None else int(mask.sum()) for size, mask in pairs)

    def take(self, value: int, array: Any) -> Any:
        """Slices an array that is a whole value."""
        return take(array, [None if m is None else np.flatnonzero(m) for m in self.masks(value)])
