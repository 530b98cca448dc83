r"""Groups: which entries of which leaves shrink together.

There is one notion of group. A :class:`Group` is a family of disjoint groups that live in the same
leaves: all filters of one kernel, say. Elementwise is a group of one. :class:`Groups` is the
resolved plan for a whole tree of parameters, static and hashable; the groupings are the rules that
find it. The regularizers, the metrics and the optimizer links all read the same plan.

A family that lives in one leaf is reduced along plain axes, with ``keepdims``. A family that spans
leaves (the kernel, bias and scale of a channel), or whose groups are an index map over positions
(channels behind a concatenation, a flattening, a grouped convolution), is reduced per leaf,
gathered by the index, and summed. Both are methods of :class:`Group`, so what is written with them
works for either.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from sgl_jax._numerics import magnitude, working_dtype
from sgl_jax._pytree import flatten_by_path
from sgl_jax._typing import Axes, Params, Path


__all__ = ["Group", "Groups", "Member"]


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
        return math.prod(size for axis, size in enumerate(self.shape) if axis not in self.axes)

    @property
    def keepdims(self) -> tuple[int, ...]:
        """Shape of the leaf reduced over its axes, with the axes kept."""
        return tuple(1 if axis in self.axes else size for axis, size in enumerate(self.shape))

    @property
    def owners(self) -> np.ndarray:
        """The group of every entry, of the shape of the leaf."""
        of_position = np.arange(self.positions) if self.index is None else np.array(self.index, int)
        return np.broadcast_to(of_position.reshape(self.keepdims), self.shape)


@dataclasses.dataclass(frozen=True)
class Group:
    """A family of ``count`` disjoint groups with the same members.

    ``parts``, below, are the leaves of the members in their order. *Per group* means of shape
    ``self.shape``.
    """

    members: tuple[Member, ...]

    @classmethod
    def of_array(cls, shape: tuple[int, ...], axes: Axes) -> "Group":
        """The family of one leaf: one group per position on the axes other than ``axes``."""
        axes = tuple(sorted(axis % len(shape) if shape else axis for axis in axes))
        return cls((Member("", tuple(shape), axes),))

    @functools.cached_property
    def plain(self) -> bool:
        """Whether plain reductions along the axes of one leaf do."""
        return len(self.members) == 1 and self.members[0].index is None

    @functools.cached_property
    def single(self) -> bool:
        """Whether every group is one entry."""
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
        sizes = np.bincount(owners, minlength=self.count).tolist()
        return sizes[0] if len(set(sizes)) == 1 else tuple(sizes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what is per group: reduced with kept axes if plain, else ``(count,)``."""
        return self.members[0].keepdims if self.plain else (self.count,)

    def sum(self, parts: Sequence[jax.Array]) -> jax.Array:
        """Sums each group, per group."""
        return self._reduce(parts, jnp.sum, jax.ops.segment_sum, jnp.add)

    def max(self, parts: Sequence[jax.Array]) -> jax.Array:
        """The maximum of each group of nonnegative entries, per group; 0 for an empty group."""
        largest = functools.partial(jnp.max, initial=0)
        segments = lambda *args: jnp.maximum(jax.ops.segment_max(*args), 0)  # noqa: E731
        return self._reduce(parts, largest, segments, jnp.maximum)

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
        """What is per group, as one array per member that broadcasts against it."""
        if self.plain or jnp.ndim(per_group) == 0:
            return [per_group] * len(self.members)
        return [
            (
                per_group if member.index is None else per_group[np.asarray(member.index, int)]
            ).reshape(member.keepdims)
            for member in self.members
        ]

    def norm(self, parts: Sequence[jax.Array]) -> jax.Array:
        r"""The l2 norm of each group, per group, in the working dtype.

        Scaled by the largest entry of the group, so that :math:`10^{30}` and :math:`10^{-30}`
        neither overflow nor vanish; its subgradient at a zero group is zero.
        """
        dtype = working_dtype(*parts)
        parts = [part.astype(dtype) for part in parts]
        if self.single:
            return magnitude(parts[0])
        scale = self.scale(parts)
        inverses = self.spread(1.0 / scale)
        squares = self.sum([(part * inv) ** 2 for part, inv in zip(parts, inverses, strict=True)])
        empty = squares == 0
        return jnp.where(empty, 0.0, scale * jnp.sqrt(jnp.where(empty, 1.0, squares)))

    def scale(self, parts: Sequence[jax.Array]) -> jax.Array:
        """A power of two within twice the largest magnitude, per group and without derivative.

        Dividing by it is exact, and so is multiplying by its inverse; 1 for a group of zeros or
        with an entry that is not finite.
        """
        peak = jax.lax.stop_gradient(self.max([jnp.abs(part) for part in parts]))
        ordinary = (peak > 0) & (peak < jnp.inf)
        _, exponent = jnp.frexp(jnp.where(ordinary, peak, 1.0))
        most = jnp.finfo(peak.dtype).maxexp - 2
        return jnp.ldexp(jnp.ones_like(peak), jnp.clip(exponent - 1, -most, most))

    def map_values(self, function: Callable, parts: Sequence[jax.Array]) -> jax.Array:
        """``function(entries)``, a number, of each group by itself, per group."""
        if self.plain:
            rows, mapped = self._by_group(function, parts[0])
            return mapped(rows).reshape(self.shape)
        return jax.vmap(function)(self._to_rows(parts))

    def map_entries(
        self, function: Callable, parts: Sequence[jax.Array], per_group: jax.Array
    ) -> list[jax.Array]:
        """``function(entries, number)``, an array like ``entries``, of each group by itself."""
        if self.plain:
            # The sum that is never computed has the sharding that vmap wants of both arguments.
            per_group = per_group + jnp.zeros_like(self.sum(parts), dtype=per_group.dtype)
            rows, mapped = self._by_group(function, parts[0])
            out = mapped(rows, jnp.squeeze(per_group, self.members[0].axes))
            return [jnp.moveaxis(out, range(len(self._kept)), self._kept)]
        per_group = jnp.broadcast_to(per_group, self.shape)
        return self._from_rows(jax.vmap(function)(self._to_rows(parts), per_group))

    @property
    def _kept(self) -> Axes:
        member = self.members[0]
        return tuple(axis for axis in range(len(member.shape)) if axis not in member.axes)

    def _by_group(self, function: Callable, part: jax.Array) -> tuple[jax.Array, Callable]:
        """The leaf with the axes of the positions first, and the function vmapped over them."""
        for _ in self._kept:
            function = jax.vmap(function)
        return jnp.moveaxis(part, self._kept, range(len(self._kept))), function

    def _to_rows(self, parts: Sequence[jax.Array]) -> jax.Array:
        """One row of entries per group, short groups padded with zeros."""
        dtype = working_dtype(*parts)
        flat = [jnp.zeros(1, dtype), *(part.astype(dtype).ravel() for part in parts)]
        return jnp.concatenate(flat)[self._rows]

    def _from_rows(self, rows: jax.Array) -> list[jax.Array]:
        sizes = [math.prod(member.shape) for member in self.members]
        flat = jnp.zeros(sum(sizes) + 1, rows.dtype)
        flat = flat.at[self._rows.ravel()].set(rows.ravel())[1:]
        pieces = jnp.split(flat, np.cumsum(sizes)[:-1])
        return [piece.reshape(m.shape) for piece, m in zip(pieces, self.members, strict=True)]

    @functools.cached_property
    def _rows(self) -> np.ndarray:
        """For every group where its entries are in the raveled members, from 1; 0 is padding."""
        owner = np.concatenate([member.owners.ravel() for member in self.members])
        order = np.argsort(owner, kind="stable")
        starts = np.searchsorted(owner[order], np.arange(self.count))
        rows = np.zeros((self.count, int(np.max(self.size, initial=0))), int)
        rows[owner[order], np.arange(owner.size) - starts[owner[order]]] = order + 1
        return rows


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Groups:
    """The resolved plan for a tree of parameters: a tuple of families of groups.

    It is static and hashable (a pytree without leaves), and stands wherever a grouping does.
    """

    families: tuple[Group, ...]

    def __iter__(self) -> Iterator[Group]:
        return iter(self.families)

    def __len__(self) -> int:
        return len(self.families)

    @functools.cached_property
    def paths(self) -> frozenset[Path]:
        """Names of the leaves that have a group."""
        return frozenset(member.path for family in self for member in family.members)

    @functools.cached_property
    def disjoint(self) -> bool:
        """Whether no leaf is in two families, so that every entry is in one group."""
        return len(self.paths) == sum(len(family.members) for family in self)

    def resolve(self, params: Params) -> "Groups":
        """Itself, after a look at the parameters.

        Raises:
          ValueError: a leaf of the plan is missing or has another shape.
        """
        leaves, _ = flatten_by_path(params)
        for family in self:
            for member in family.members:
                found = jnp.shape(leaves[member.path]) if member.path in leaves else "no leaf"
                if found != member.shape:
                    raise ValueError(
                        f"These groups need a leaf {member.path!r} of shape {member.shape}, got "
                        f"{found}; resolve the grouping on these parameters."
                    )
        return self

    def restrict(self, paths: frozenset[Path]) -> "Groups":
        """The families all of whose members are among ``paths``."""
        return Groups(tuple(f for f in self if all(m.path in paths for m in f.members)))
