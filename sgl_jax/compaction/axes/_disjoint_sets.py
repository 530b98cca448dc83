"""Disjoint sets of positions that are removed together, and the reasons why some stay."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from sgl_jax.compaction.axes._grid import Grid


__all__ = ["Axis", "DisjointSets"]

Axis: TypeAlias = np.ndarray | None
"""The numbers of the positions along one axis of an array; ``None`` if the axis stays whole.

Of an axis whose size is a multiple of a symbol they are those of one period.
"""


class DisjointSets:
    """Disjoint sets of positions, by union-find.

    A position is a number. Positions that an operation ties, because it needs as many of one axis
    as of another, are in one set; the root of a set is its least position.
    """

    def __init__(self) -> None:
        self._parents = np.zeros(0, int)
        self.grids: list[Grid] = []
        self.protected: dict[int, str] = {}

    def copy(self) -> "DisjointSets":
        """A copy that can be changed on its own."""
        other = DisjointSets()
        other._parents, other.protected = self._parents.copy(), self.protected.copy()
        other.grids = self.grids.copy()
        return other

    def __len__(self) -> int:
        """Number of positions."""
        return len(self._parents)

    def new(self, count: int) -> np.ndarray:
        """Adds positions, each in a set of its own."""
        positions = np.arange(len(self), len(self) + count)
        self._parents = np.concatenate([self._parents, positions])
        return positions

    def find(self, positions: np.ndarray) -> np.ndarray:
        """The roots of the sets that hold some positions."""
        found = self._parents[positions]
        while True:
            higher = self._parents[found]
            if np.array_equal(higher, found):
                self._parents[positions] = found
                return found
            found = higher

    def roots(self) -> np.ndarray:
        """The root of every position."""
        return self.find(np.arange(len(self)))

    def union(self, first: np.ndarray, second: np.ndarray) -> None:
        """Merges the set of each position with that of its partner; arrays of one shape."""
        if first is second:
            return
        while True:
            left, right = self.find(first), self.find(second)
            apart = left != right
            if not apart.any():
                return
            left, right = left[apart], right[apart]
            # Of several partners that a root has, it gets the least; the others meet it next time.
            np.minimum.at(self._parents, np.maximum(left, right), np.minimum(left, right))

    def propagate(self, step: Callable[[Grid], bool]) -> bool:
        """Applies a step to all grids until it changes none of them; True if it changed some."""
        changed = False
        while sum(step(grid) for grid in self.grids):
            changed = True
        return changed

    def protect(self, axis: Axis, why: str) -> None:
        """Says that the positions of an axis have to stay; the first reason given counts."""
        if axis is not None:
            for position in axis.tolist():
                self.protected.setdefault(position, why)

    def reasons(self) -> dict[int, str]:
        """The reasons of the sets that have to stay, by root."""
        found: dict[int, str] = {}
        roots = self.find(np.array(list(self.protected), int)).tolist()
        for root, why in zip(roots, self.protected.values(), strict=True):
            found.setdefault(root, why)
        return found
