"""What is removed from a program, as slices of its values."""

from typing import Any

import numpy as np

from sgl_jax._util.narrowing import taken
from sgl_jax.compaction.axes._disjoint_sets import Axis
from sgl_jax.compaction.axes._structure import Structure


__all__ = ["Slicing"]


class Slicing:
    """A program without some of its channels.

    Attributes:
      structure: the program, read.
      removed: atoms of which the classes are removed.
      gone: for every atom whether it is.
    """

    def __init__(self, structure: Structure, removed: frozenset[int]) -> None:
        self.structure, self.removed = structure, removed
        roots = structure.classes.find(np.arange(len(structure.classes)))
        gone = np.zeros(len(roots), bool)
        gone[roots[list(removed)]] = True
        self.gone = gone[roots]

    def breaks(self, before: "Slicing") -> bool:
        """Whether something goes that did not before, among the first atoms, or has to stay."""
        same = np.array_equal(self.gone[: len(before.gone)], before.gone)
        return not same or self.broken is not None

    @property
    def broken(self) -> str | None:
        """Why something that goes has to stay, if it has to."""
        for name, why in self.structure.classes.reasons().items():
            if self.gone[name]:
                return why
        for equation, axes in self.structure.loops:
            if any(self.gone[axis].any() for axis in axes):
                return f"{equation} runs over it"
        return None

    def kept(self, axis: Axis) -> np.ndarray | None:
        """Which positions of an axis stay; ``None`` if all do."""
        if axis is None or not self.gone[axis].any():
            return None
        return ~self.gone[axis]

    def keeps(self, value: int) -> list[np.ndarray | None]:
        """Of every axis of a value which positions stay."""
        return [self.kept(axis) for axis in self.structure.axes[value]]

    def shape(self, value: int) -> tuple[Any, ...]:
        """The shape of a value without what is removed."""
        pairs = zip(self.structure.shape(value), self.keeps(value), strict=True)
        return tuple(size if keep is None else int(keep.sum()) for size, keep in pairs)

    def take(self, value: int, array: Any) -> Any:
        """What stays of an array that is a whole value."""
        return taken(array, [None if k is None else np.flatnonzero(k) for k in self.keeps(value)])
