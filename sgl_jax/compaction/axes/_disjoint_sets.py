"""Positions that live and die together: disjoint sets, and what keeps some of them alive."""

from typing import TypeAlias

import numpy as np


__all__ = ["Axis", "Classes"]

Axis: TypeAlias = np.ndarray | None
"""For every position on an axis of an array the number of its atom; ``None`` if the axis can only
be kept as a whole."""


class Classes:
    """Disjoint sets of atoms.

    An atom is a position on an axis. Atoms that an operation ties, because it needs as many
    positions of one axis as of the other, are in one class. The name of a class is its least atom.
    """

    def __init__(self) -> None:
        self._parents = np.zeros(0, int)
        self.protected: dict[int, str] = {}
        """Why a class cannot be removed, under the atom it was said of."""

    def copy(self) -> "Classes":
        """The same classes, to be tied on their own."""
        other = Classes()
        other._parents, other.protected = self._parents.copy(), self.protected.copy()
        return other

    def __len__(self) -> int:
        return len(self._parents)

    def fresh(self, count: int) -> np.ndarray:
        """Atoms that are tied to nothing yet."""
        atoms = np.arange(len(self), len(self) + count)
        self._parents = np.concatenate([self._parents, atoms])
        return atoms

    def find(self, atoms: np.ndarray) -> np.ndarray:
        """The classes of atoms."""
        found = self._parents[atoms]
        while True:
            higher = self._parents[found]
            if np.array_equal(higher, found):
                self._parents[atoms] = found
                return found
            found = higher

    def tie(self, first: np.ndarray, second: np.ndarray) -> None:
        """Puts each atom into the class of its partner; arrays of one shape."""
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

    def protect(self, axis: Axis, why: str) -> None:
        """Says that the classes of an axis cannot be removed; the first reason given counts."""
        if axis is not None:
            for atom in axis.tolist():
                self.protected.setdefault(atom, why)

    def reasons(self) -> dict[int, str]:
        """Why classes cannot be removed, by class."""
        found: dict[int, str] = {}
        names = self.find(np.array(list(self.protected), int)).tolist()
        for name, why in zip(names, self.protected.values(), strict=True):
            found.setdefault(name, why)
        return found
