"""The part of one leaf in a family of groups."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from sgl_jax._util.typing import Axes, Path


__all__ = ["Member"]


@dataclasses.dataclass(frozen=True)
class Member:
    """The part of a leaf in a family of groups.

    Attributes:
      path: name of the leaf.
      shape: its shape.
      axes: the axes that one group spans, nonnegative and ascending.
      index: for every position on the other axes, in C order, the group it belongs to; ``None``
        if position ``k`` belongs to group ``k``.
    """

    path: Path
    shape: tuple[int, ...]
    axes: Axes
    index: tuple[int, ...] | None = None

    @property
    def positions(self) -> int:
        """Number of positions on the axes that a group does not span."""
        return math.prod(self.shape[axis] for axis in self.index_axes)

    @property
    def index_axes(self) -> Axes:
        """The axes that a group does not span, ascending."""
        return tuple(axis for axis in range(len(self.shape)) if axis not in self.axes)

    @property
    def keepdims(self) -> tuple[int, ...]:
        """Shape of the leaf reduced over its axes, with the axes kept."""
        return tuple(1 if axis in self.axes else size for axis, size in enumerate(self.shape))

    @property
    def owners(self) -> np.ndarray:
        """The group of every entry, of the shape of the leaf."""
        of_position = np.arange(self.positions) if self.index is None else np.array(self.index, int)
        return np.broadcast_to(of_position.reshape(self.keepdims), self.shape)

    def owners_of(self, kept: Sequence[Sequence[int] | None]) -> np.ndarray:
        """The group of every position that is left, if only some are left on each axis."""
        of_position = np.arange(self.positions) if self.index is None else np.array(self.index, int)
        owners = of_position.reshape([self.shape[axis] for axis in self.index_axes])
        for k, axis in enumerate(self.index_axes):
            left = kept[axis]
            if left is not None:
                owners = owners.take(np.asarray(left, int), k)
        return owners.ravel()

    def narrowed(self, kept: Sequence[Sequence[int] | None], groups: np.ndarray) -> "Member":
        """Narrows the member to some positions of each axis and to the groups ``groups``.

        Args:
          kept: for every axis the positions that are left; ``None`` for all.
          groups: the groups that are left, ascending; they get new numbers in this order.
        """
        pairs = zip(self.shape, kept, strict=True)
        shape = tuple(size if left is None else len(left) for size, left in pairs)
        index = np.searchsorted(groups, self.owners_of(kept))
        plain = np.array_equal(index, np.arange(len(groups)))
        return Member(self.path, shape, self.axes, None if plain else tuple(index.tolist()))
