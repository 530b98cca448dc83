"""Penalties of entries and of groups together."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, TypeAlias, cast

import jax.numpy as jnp
from jaxtyping import Array

from sgl_jax._util.narrowing import LeafPlan
from sgl_jax._util.pytree import flatten_by_path, pytree_dataclass
from sgl_jax._util.typing import ArrayLike, Leaves, Params, Path
from sgl_jax.groups import GroupingLike, Groups, by_neuron, resolved_groups, resolved_paths
from sgl_jax.penalties import L1, NormPenalty, Penalty
from sgl_jax.penalties._search import joint_prox, least_strength
from sgl_jax.regularizers._kinds import describe, require_grouping, require_penalty
from sgl_jax.regularizers._regularizer import Regularizer


__all__ = ["RegularizerLike", "SparseGroup", "entry_groups", "require_regularizer"]


@pytree_dataclass()
class SparseGroup:
    r"""Entries and groups together: the sparse group lasso and its relatives.

    .. math:: R(W) = \sum_i \text{entry}(w_i) + \sum_g \text{weight}_g \, \text{group}(\|w_g\|)

    The prox of the sum is that of the groups after that of the entries if the entry penalty is
    :class:`~sgl_jax.L1`, for any group penalty. For other entry penalties the composition is not
    the minimiser; :meth:`prox` finds it by a certified search, one dimension per group, for every
    entry penalty that is a function of the magnitude. Others, such as
    :class:`~sgl_jax.L1MinusL2`, have a value and its gradient here, and the splitting of
    :func:`~sgl_jax.sgl_transform`, which needs no joint prox.

    Attributes:
      entry: penalty of single weights, on its own default grouping within the leaves of
        ``grouping``.
      group: penalty of the norms.
      grouping: the groups; by default the paper's, :func:`~sgl_jax.by_neuron`.
      weight: weight of a group, as in :class:`Regularizer`.
      entry_grouping: groups of the entry penalty, where they are not its default.
    """

    entry: Penalty
    group: NormPenalty
    grouping: GroupingLike = by_neuron()
    weight: Any = "sqrt_size"
    entry_grouping: GroupingLike | None = None

    def __post_init__(self):
        require_penalty("SparseGroup", self.group)
        if not isinstance(self.group, NormPenalty):
            raise ValueError(
                f"SparseGroup needs a group penalty that is a function of the norm, got "
                f"{type(self.group).__name__}."
            )
        require_penalty("SparseGroup", self.entry)
        if self.entry_grouping is not None:
            require_grouping("SparseGroup", self.entry_grouping)
        object.__setattr__(self, "weight", self.groups_part.weight)

    @property
    def groups_part(self) -> Regularizer:
        """The penalty of the groups alone."""
        return Regularizer(self.group, self.grouping, self.weight)

    @property
    def entries_part(self) -> Regularizer:
        """The penalty of the entries alone."""
        return Regularizer(self.entry, self.entry_grouping)  # pyrefly: ignore[bad-argument-type]

    def resolved(self, params: Params) -> "SparseGroup":
        """Finds the groups of these parameters; see :meth:`Regularizer.resolved`."""
        groups = self.grouping.resolve(params)
        entries = entry_groups(self.entry, self.entry_grouping, groups, params)
        return SparseGroup(self.entry, self.group, groups, self.weight, entries)

    def narrowed(self, kept: Mapping[Path, LeafPlan]) -> "SparseGroup":
        """Narrows groups, strengths and weights; see :meth:`Regularizer.narrowed`."""
        groups, entries = self.groups_part.narrowed(kept), self.entries_part.narrowed(kept)
        group, grouping = cast(NormPenalty, groups.penalty), groups.grouping
        return SparseGroup(entries.penalty, group, grouping, groups.weight, entries.grouping)

    @property
    def penalties(self) -> tuple[Penalty, ...]:
        """The penalties it is made of."""
        return (self.entry, self.group)

    @property
    def paths(self) -> frozenset[Path]:
        """Names of the leaves that have a group; once resolved."""
        return resolved_paths(self.grouping, self.entry_grouping)

    def value(self, params: Params) -> Array:
        """Computes the penalty of a tree of parameters, a scalar."""
        return self.resolved(params).value_leaves(flatten_by_path(params)[0])

    def value_leaves(self, leaves: Leaves) -> Array:
        """Computes :meth:`value` of leaves by path; once resolved."""
        return self.entries_part.value_leaves(leaves) + self.groups_part.value_leaves(leaves)

    def prox(self, params: Params, step_size: ArrayLike, metric: Params | None = None) -> Params:
        """Computes the joint prox; arguments as in :meth:`Regularizer.prox`.

        Raises:
          ValueError: the groups overlap, the entry penalty is not a function of single magnitudes,
            or the group penalty is not concave in the square of the norm.
        """
        leaves, rebuild = flatten_by_path(params)
        metrics = None if metric is None else flatten_by_path(metric)[0]
        return rebuild(self.resolved(params).prox_leaves(leaves, step_size, metrics))

    def prox_leaves(
        self, leaves: Leaves, step_size: ArrayLike, metrics: Leaves | None = None
    ) -> Leaves:
        """Computes :meth:`prox` of leaves by path; once resolved."""
        self._check_separable()
        shrunk = self.entries_part.prox_leaves(leaves, step_size, metrics)
        if isinstance(self.entry, L1):
            return self.groups_part.prox_leaves(shrunk, step_size, metrics)
        joint = self._search(leaves, step_size, metrics)
        return shrunk | {path: z for parts, _ in joint.values() for path, z in parts.items()}

    def certificate(
        self, params: Params, step_size: ArrayLike, metric: Params | None = None
    ) -> dict[Path, Array]:
        """Bounds how far :meth:`prox` can be from the least objective.

        Returns:
          For each family of groups, by the path of its first member: per group the share of the
          objective by which another point could at most be better; 0 where the prox is a formula.
        """
        resolved, (leaves, _) = self.resolved(params), flatten_by_path(params)
        resolved._check_separable()
        if isinstance(self.entry, L1):
            families = resolved.groups_part.families(leaves, disjoint=True)
            return {family.members[0].path: jnp.zeros(family.shape) for family, _ in families}
        metrics = None if metric is None else flatten_by_path(metric)[0]
        joint = resolved._search(leaves, step_size, metrics)
        return {path: gap for path, (_, gap) in joint.items()}

    def lam_max_leaves(self, leaves: Leaves, step_size: ArrayLike) -> Array:
        """Finds the least strength at which :meth:`prox_leaves` is zero; once resolved."""
        shares = self._shares()

        def dead(lam):
            parts = [
                dataclasses.replace(penalty, lam=lam * share)  # pyrefly: ignore
                for penalty, share in zip(self.penalties, shares, strict=True)
            ]
            both = dataclasses.replace(self, entry=parts[0], group=parts[1])
            shrunk = both.prox_leaves(leaves, step_size)
            return jnp.all(jnp.stack([jnp.all(shrunk[path] == 0) for path in self.paths]))

        peaks = [jnp.max(jnp.abs(leaves[path]), initial=0.0) for path in sorted(self.paths)]
        peak = functools.reduce(jnp.maximum, [each.astype(float) for each in peaks])
        safe = jnp.where(peak > 0, peak, 1.0)
        return jnp.where(peak > 0, least_strength(dead, safe / step_size), 0.0)

    def removal_leaves(self, leaves: Leaves, step_size: ArrayLike) -> Leaves:
        """Finds the least strength at which either part alone makes an entry zero.

        Returns:
          By path arrays that broadcast against the leaves; once resolved.
        """
        found: Leaves = {}
        for part, share in zip((self.entries_part, self.groups_part), self._shares(), strict=True):
            largest = jnp.max(share)
            for path, least in part.removal_leaves(leaves, step_size).items():
                least = jnp.where(least > 0, least / largest.astype(least.dtype), 0.0)
                found[path] = jnp.minimum(found[path], least) if path in found else least
        return found

    def residual_leaves(self, leaves: Leaves, grads: Leaves) -> Leaves:
        """Finds the shortest sums of gradients and subgradients of the value; once resolved."""
        self._check_separable()
        # The set of a zero group is a ball around the box of its entries: first the box.
        return self.groups_part.residual_leaves(
            leaves, self.entries_part.residual_leaves(leaves, grads)
        )

    def _shares(self) -> tuple[Array, Array]:
        """Divides the strengths of entries and groups by the largest of both."""
        entry, group = (jnp.asarray(penalty.lam, float) for penalty in self.penalties)
        largest = jnp.maximum(jnp.max(entry), jnp.max(group))
        return entry / largest, group / largest

    def _check_separable(self) -> None:
        """Refuses an entry penalty without a joint prox; once resolved."""
        singles = all(family.single for family in resolved_groups(self.entries_part.grouping))
        if not isinstance(self.entry, NormPenalty) or not singles:
            raise ValueError(
                f"SparseGroup needs a penalty of single entries for a joint prox, got "
                f"{type(self.entry).__name__} on groups of them; use sgl_transform, which splits "
                "it, or no penalty of groups (--group-penalty none)."
            )

    def _search(
        self, leaves: Leaves, step_size: ArrayLike, metrics: Leaves | None
    ) -> dict[Path, tuple[Leaves, Array]]:
        """Searches the joint prox of every family, by the path of its first member.

        Returns:
          The minimisers of the leaves of the family, and per group the certified gap.
        """
        found, penalised = {}, self.entries_part.paths
        for family, weight in self.groups_part.families(leaves, disjoint=True):
            paths = [member.path for member in family.members]
            parts, gap = joint_prox(
                [leaves[path] for path in paths],
                family,
                [self.entry if path in penalised else None for path in paths],
                self.group,
                step_size,
                step_size * weight,
                None if metrics is None else [metrics[path] for path in paths],
            )
            found[paths[0]] = dict(zip(paths, parts, strict=True)), gap
        return found


def entry_groups(
    penalty: Penalty, grouping: GroupingLike | None, groups: Groups, params: Params
) -> Groups:
    """Finds the groups of an entry penalty beside a group penalty: its own, in the same leaves."""
    if grouping is not None:
        return grouping.resolve(params)
    return penalty.default_grouping.resolve(params).restrict(groups.paths)


RegularizerLike: TypeAlias = Regularizer | SparseGroup


def require_regularizer(owner: str, regularizer: Any) -> None:
    """Refuses what is no regularizer, such as a bare penalty."""
    if not isinstance(regularizer, Regularizer | SparseGroup):
        example = describe(regularizer, "Regularizer(L1(lam=0.1))")
        raise ValueError(f"{owner} needs a regularizer, got {example}.")
