"""A family of groups, with its reductions and maps."""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from sgl_jax._util.narrowing import LeafPlan
from sgl_jax._util.numerics import magnitude, power_of_two, working_dtype
from sgl_jax._util.typing import Axes, Path
from sgl_jax.groups._member import Member


__all__ = ["Group", "GroupFamily"]

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class GroupFamily:
    """A family of ``count`` disjoint groups that live in the same leaves, its members.

    In the methods ``parts`` are the leaves of the members, in their order, and *per group* means an
    array of shape ``self.shape``.

    Attributes:
      members: the leaves that the groups are in, and their parts.
      removed: entries that each group had before it was narrowed, and has no more: one number, or
        one per group where they differ.
    """

    members: tuple[Member, ...]
    removed: int | tuple[int, ...] = 0

    @classmethod
    def of_array(cls, shape: tuple[int, ...], axes: Axes) -> "GroupFamily":
        """The family of one leaf: one group per position on the axes other than ``axes``."""
        axes = tuple(sorted(axis % len(shape) if shape else axis for axis in axes))
        return cls((Member("", tuple(shape), axes),))

    @classmethod
    def whole(cls, shape: tuple[int, ...]) -> "GroupFamily":
        """The family of one group that is all of a leaf."""
        return cls.of_array(shape, tuple(range(len(shape))))

    @property
    def main(self) -> Member:
        """The first of the members with the most axes: the kernel that makes a channel."""
        return max(self.members, key=lambda member: len(member.shape))

    @functools.cached_property
    def plain(self) -> bool:
        """True if every group is a set of axes of one leaf, so that plain reductions suffice."""
        return len(self.members) == 1 and self.members[0].index is None

    @functools.cached_property
    def single(self) -> bool:
        """True if every group is one entry."""
        return self.plain and not self.members[0].axes

    @functools.cached_property
    def count(self) -> int:
        """Number of groups."""
        return max(
            member.positions if member.index is None else max(member.index, default=-1) + 1
            for member in self.members
        )

    @functools.cached_property
    def size(self) -> int | tuple[int, ...]:
        """Entries in a group: one number, or one per group where they differ."""
        if self.plain:
            member = self.members[0]
            return math.prod(member.shape[axis] for axis in member.axes)
        owners = np.concatenate([member.owners.ravel() for member in self.members])
        return _joined(np.bincount(owners, minlength=self.count))

    @property
    def sizes(self) -> jax.Array:
        """:attr:`size` as an array, a number or per group."""
        return self._per_group(self.size)

    @functools.cached_property
    def original_size(self) -> int | tuple[int, ...]:
        """:attr:`size` before the groups were narrowed, the whole of a share of their entries."""
        return self.size if self.removed == 0 else _joined(np.add(self.size, self.removed))

    @property
    def original_sizes(self) -> jax.Array:
        """:attr:`original_size` as an array, a number or per group."""
        return self._per_group(self.original_size)

    def _per_group(self, numbers: int | tuple[int, ...]) -> jax.Array:
        return jnp.asarray(numbers).reshape(self.shape if isinstance(numbers, tuple) else ())

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an array per group: that of the leaf with reduced axes if plain, or (count,)."""
        return self.members[0].keepdims if self.plain else (self.count,)

    def find_left(self, kept: Mapping[Path, LeafPlan]) -> np.ndarray:
        """Finds the groups that have an entry left: ascending, or in the order of the first member.

        The order is that of the member where units are in another order in every layer.

        Args:
          kept: for every leaf, by its path, the part that stays.
        """
        parts = [member.part_of(kept) for member in self.members]
        owners = [member.owners_of(part) for member, part in zip(self.members, parts, strict=True)]
        found, first = np.unique(np.concatenate(owners), return_index=True)
        return found[np.argsort(first)] if any(part.orders for part in parts) else found

    def narrowed(self, kept: Mapping[Path, LeafPlan]) -> "GroupFamily":
        """Narrows the groups to the positions of the leaves that are left.

        Args:
          kept: for every leaf, by its path, the part that stays.

        Raises:
          ValueError: a leaf has another shape.
        """
        left = self.find_left(kept)
        members = [member.narrowed(kept[member.path], left) for member in self.members]
        narrow = GroupFamily(tuple(members))
        before = np.broadcast_to(self.original_size, self.count)[left]
        return GroupFamily(narrow.members, _joined(before - narrow.size))

    def sum(self, parts: Sequence[jax.Array]) -> jax.Array:
        """Sums the entries of each group, per group."""
        return self._reduce(parts, jnp.sum, jax.ops.segment_sum, jnp.add)

    def max(self, parts: Sequence[jax.Array]) -> jax.Array:
        """The maximum of each group of nonnegative entries, per group; 0 for an empty group."""
        largest = functools.partial(jnp.max, initial=0)
        segments = lambda *args: jnp.maximum(jax.ops.segment_max(*args), 0)  # noqa: E731
        return self._reduce(parts, largest, segments, jnp.maximum)

    def tally(self, masks: Sequence[jax.Array]) -> jax.Array:
        """Counts the entries of each group that are set in a mask, int32, per group."""
        # A sum of int32 is int64 where there is one.
        return self.sum([mask.astype(jnp.int32) for mask in masks]).astype(jnp.int32)

    def _reduce(self, parts, along: Callable, by_segment: Callable, join: Callable) -> jax.Array:
        if self.plain:
            (axes,) = (member.axes for member in self.members)
            return along(parts[0], axis=axes, keepdims=True) if axes else parts[0]
        totals = []
        for member, part in zip(self.members, parts, strict=True):
            total = along(part, axis=member.axes).reshape(-1)
            if member.index is not None:
                total = by_segment(total, np.asarray(member.index, int), self.count)
            totals.append(total)
        return functools.reduce(join, totals)

    def spread(self, per_group: jax.Array) -> list[jax.Array]:
        """Turns an array per group into one per member, which broadcasts against its leaf."""
        if self.plain or jnp.ndim(per_group) == 0:
            return [per_group] * len(self.members)
        return [
            (
                per_group if member.index is None else per_group[np.asarray(member.index, int)]
            ).reshape(member.keepdims)
            for member in self.members
        ]

    def each(self, function: Callable[..., T], *arguments: Any) -> list[T]:
        """Applies a function member by member.

        Args:
          function: of one argument for each of ``arguments``.
          *arguments: lists and tuples have an entry for every member; all else is per group and is
            spread over the members.
        """
        columns = [x if isinstance(x, list | tuple) else self.spread(x) for x in arguments]
        return [function(*row) for row in zip(*columns, strict=True)]

    def norm(self, parts: Sequence[jax.Array], scale: jax.Array | None = None) -> jax.Array:
        r"""The l2 norm of each group, per group, in the working dtype.

        Scaled by the largest entry of the group, so that :math:`10^{30}` and :math:`10^{-30}`
        neither overflow nor vanish; a known ``scale`` saves a pass over memory. The subgradient at
        a zero group is zero.
        """
        dtype = working_dtype(*parts)
        parts = [part.astype(dtype) for part in parts]
        if self.single:
            return magnitude(parts[0])
        scale = self.scale(parts) if scale is None else scale
        squares = self.sum(
            self.each(lambda part, inverse: (part * inverse) ** 2, parts, 1.0 / scale)
        )
        empty = squares == 0
        return jnp.where(empty, 0.0, scale * jnp.sqrt(jnp.where(empty, 1.0, squares)))

    def scale(self, parts: Sequence[jax.Array]) -> jax.Array:
        """A power of two within twice the largest magnitude, per group and without derivative.

        Dividing by it is exact, and so is multiplying by its inverse; 1 for a group of zeros or
        with an entry that is not finite.
        """
        return power_of_two(jax.lax.stop_gradient(self.max([jnp.abs(part) for part in parts])))

    @property
    def positions(self) -> list[jax.Array]:
        """Position of every entry in its group, as arrays that broadcast against the leaves.

        The members come one after the other, each in C order.
        """
        if self.plain:
            member = self.members[0]
            shape = [size if k in member.axes else 1 for k, size in enumerate(member.shape)]
            index = jnp.zeros(shape, jnp.int32)
            for axis in member.axes:
                index = index * shape[axis] + jax.lax.broadcasted_iota(jnp.int32, shape, axis)
            return [index]
        flat = np.zeros(1 + sum(math.prod(member.shape) for member in self.members), np.int32)
        flat[self.rows] = np.arange(self.rows.shape[1])
        return self.split(jnp.asarray(flat[1:]))

    def first(self, masks: Sequence[jax.Array]) -> jax.Array:
        """The position of the first entry of each group that is set in a mask, per group.

        Where none is set it is the size of the largest group.
        """
        most = int(np.max(self.size, initial=0))
        left = self.each(lambda mask, at: jnp.where(mask, most - at, 0), masks, self.positions)
        return most - self.max(left)

    def split(self, flat: jax.Array) -> list[jax.Array]:
        """The raveled members one after the other, as arrays like the members."""
        ends = np.cumsum([math.prod(member.shape) for member in self.members])[:-1]
        pieces = zip(jnp.split(flat, ends), self.members, strict=True)
        return [piece.reshape(member.shape) for piece, member in pieces]

    @functools.cached_property
    def rows(self) -> np.ndarray:
        """Indices of every group's entries in the raveled members, from 1; 0 is padding."""
        owner = np.concatenate([member.owners.ravel() for member in self.members])
        order = np.argsort(owner, kind="stable")
        starts = np.searchsorted(owner[order], np.arange(self.count))
        rows = np.zeros((self.count, int(np.max(self.size, initial=0))), int)
        rows[owner[order], np.arange(owner.size) - starts[owner[order]]] = order + 1
        return rows


def _joined(numbers: np.ndarray | np.integer) -> int | tuple[int, ...]:
    """One number for all groups if they have the same, else one per group."""
    numbers = np.ravel(numbers)
    same = numbers.size > 0 and bool(np.all(numbers == numbers[0]))
    return int(numbers[0]) if same else tuple(numbers.tolist())


Group = GroupFamily
"""The earlier, shorter name of :class:`GroupFamily`."""
