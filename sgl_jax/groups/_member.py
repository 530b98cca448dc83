"""The part of one leaf in a family of groups."""

import dataclasses
import math
from collections.abc import Mapping

import numpy as np

from sgl_jax._util.narrowing import LayerOrder, LeafPlan
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
        return np.broadcast_to(self._owners, self.shape)

    @property
    def _owners(self) -> np.ndarray:
        """The group of every position, of the shape of the reduced leaf."""
        of_position = np.arange(self.positions) if self.index is None else np.array(self.index, int)
        return of_position.reshape(self.keepdims)

    def owners_of(self, part: LeafPlan) -> np.ndarray:
        """The group of every position that is left, if only a part of the leaf is.

        Raises:
          ValueError: positions are in another order in every layer, and groups span layers.
        """
        owners = self._owners
        for order in part.orders:
            if order.axis in self.index_axes:
                self._check_layers(order)
                owners = order.apply(owners)
        for axis in self.index_axes:
            left = part.kept[axis]
            if left is not None:
                owners = owners.take(np.asarray(left, int), axis)
        return owners.ravel()

    def _check_layers(self, order: LayerOrder) -> None:
        if order.layers in self.axes:
            raise ValueError(
                f"Groups that span the layers of {self.path!r} need units that leave from all "
                "layers at once, got a network that lost others from each; use by_layer=False in "
                "compact, or groups of single layers."
            )

    def part_of(self, kept: Mapping[Path, LeafPlan]) -> LeafPlan:
        """Finds the part of the leaf that stays, by its path.

        Raises:
          ValueError: the leaf has another shape.
        """
        plan = kept[self.path]
        if plan.shape != self.shape:
            raise ValueError(
                f"These groups need a leaf {self.path!r} of shape {self.shape} to follow, got "
                f"{plan.shape}; resolve the grouping on the parameters that were compacted."
            )
        return plan

    def narrowed(self, part: LeafPlan, groups: np.ndarray) -> "Member":
        """Narrows the member to a part of its leaf and to the groups ``groups``.

        Args:
          part: the part of the leaf that stays.
          groups: the groups that are left; they get new numbers in this order.
        """
        numbers = np.zeros(groups.max(initial=0) + 1, int)
        numbers[groups] = np.arange(len(groups))
        index = numbers[self.owners_of(part)]
        plain = np.array_equal(index, np.arange(len(groups)))
        index = None if plain else tuple(index.tolist())
        return Member(self.path, part.narrow_shape, self.axes, index)
