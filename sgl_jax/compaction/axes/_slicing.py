"""The positions that are removed from a program, as slices of its values."""

from typing import Any

import numpy as np

from sgl_jax._util.narrowing import take
from sgl_jax.compaction.axes._disjoint_sets import Axis
from sgl_jax.compaction.axes._grid import Grid
from sgl_jax.compaction.axes._structure import Structure


__all__ = ["Slicing"]


class Slicing:
    """A program without some of its positions.

    Attributes:
      structure: the program, read.
      requested: positions that are to be removed.
      is_removed: True for the positions that are: those requested, all that are tied to them, and
        what follows by grids.
    """

    def __init__(self, structure: Structure, removed: frozenset[int]) -> None:
        self.structure, self.requested = structure, removed
        self._roots = structure.sets.roots()
        stays = np.ones(len(self._roots), bool)
        stays[self._roots[list(removed)]] = False
        structure.sets.propagate(lambda grid: self._remove_by(grid, stays))
        self.is_removed = ~stays[self._roots]

    def _remove_by(self, grid: Grid, stays: np.ndarray) -> bool:
        """Removes factors without positions, and positions that lack a factor.

        Returns:
          True if there were any.
        """
        goes = [factor[~stays[self._roots[rows]].any(axis=1)] for factor, rows in grid.slices]
        factors = grid.combine([stays[self._roots[factor]] for factor in grid.factors])
        goes = self._roots[np.concatenate([*goes, grid.positions[~factors.all(axis=0)]])]
        changed = bool(stays[goes].any())
        stays[goes] = False
        return changed

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
        for grid in self.structure.sets.grids:
            factors = grid.combine([self.is_removed[factor] for factor in grid.factors])
            if (self.is_removed[grid.positions] & ~factors.any(axis=0)).any():
                return f"{grid.equation} can only lose whole rows and columns of it"
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
        # The masks of axes of a symbolic size are those of one period.
        return tuple(
            size if mask is None else size // len(mask) * int(mask.sum()) for size, mask in pairs
        )

    def take(self, value: int, array: Any) -> Any:
        """Slices an array that is a whole value."""
        return take(array, [None if m is None else np.flatnonzero(m) for m in self.masks(value)])
