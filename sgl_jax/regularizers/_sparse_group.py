"""Penalties of entries and of groups together."""

from typing import Any, TypeAlias

import jax.numpy as jnp
from jaxtyping import Array

from sgl_jax._util.pytree import flatten_by_path, pytree_dataclass
from sgl_jax._util.typing import ArrayLike, Params, Path
from sgl_jax.groups import GroupingLike, Groups, by_neuron, resolved_paths
from sgl_jax.penalties import L1, NormPenalty, Penalty
from sgl_jax.penalties._search import joint_prox
from sgl_jax.regularizers._regularizer import Regularizer


__all__ = ["RegularizerLike", "SparseGroup", "entry_groups"]


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
        if not isinstance(self.group, NormPenalty):
            raise ValueError(
                f"SparseGroup needs a group penalty that is a function of the norm, got "
                f"{type(self.group).__name__}."
            )
        object.__setattr__(self, "weight", self.groups_part.weight)

    @property
    def groups_part(self) -> Regularizer:
        """The penalty of the groups alone."""
        return Regularizer(self.group, self.grouping, self.weight)

    @property
    def entries_part(self) -> Regularizer:
        """The penalty of the entries alone."""
        return Regularizer(self.entry, self.entry_grouping or self.entry.default_grouping)

    def resolved(self, params: Params) -> "SparseGroup":
        """The same with its groupings resolved on these parameters; see :class:`Regularizer`."""
        groups = self.grouping.resolve(params)
        entries = entry_groups(self.entry, self.entry_grouping, groups, params)
        return SparseGroup(self.entry, self.group, groups, self.weight, entries)

    @property
    def penalties(self) -> tuple[Penalty, ...]:
        """The penalties it is made of."""
        return (self.entry, self.group)

    @property
    def paths(self) -> frozenset[Path]:
        """Names of the leaves that have a group; once resolved."""
        return resolved_paths(self.grouping, self.entry_grouping)

    def value(self, params: Params) -> Array:
        """The penalty of a tree of parameters, a scalar."""
        resolved = self.resolved(params)
        return resolved.entries_part.value(params) + resolved.groups_part.value(params)

    def prox(self, params: Params, step_size: ArrayLike, metric: Params | None = None) -> Params:
        """The joint prox; arguments as in :meth:`Regularizer.prox`.

        Raises:
          ValueError: the groups overlap, the entry penalty is not a function of single magnitudes,
            or the group penalty is not concave in the square of the norm.
        """
        if isinstance(self.entry, L1):
            resolved = self._separable(params)
            shrunk = resolved.entries_part.prox(params, step_size, metric)
            return resolved.groups_part.prox(shrunk, step_size, metric)
        return self._searched(params, step_size, metric)[0]

    def certificate(
        self, params: Params, step_size: ArrayLike, metric: Params | None = None
    ) -> dict[Path, Array]:
        """How far :meth:`prox` can be from the least objective, by the bounds it has found.

        Returns:
          For each family of groups, by the path of its first member: per group the share of the
          objective by which another point could at most be better; 0 where the prox is a formula.
        """
        if isinstance(self.entry, L1):
            families = self._separable(params).groups_part.weighted(params, disjoint=True)
            return {family.members[0].path: jnp.zeros(family.shape) for family, _ in families}
        return self._searched(params, step_size, metric)[1]

    def _separable(self, params: Params) -> "SparseGroup":
        """Itself resolved, if it has a joint prox."""
        resolved = self.resolved(params)
        plan = resolved.entries_part.grouping.resolve(params)
        if not isinstance(self.entry, NormPenalty) or not all(family.single for family in plan):
            raise ValueError(
                f"SparseGroup needs a penalty of single entries for a joint prox, got "
                f"{type(self.entry).__name__} on groups of them; use sgl_transform, which splits "
                "it, or no group penalty (group_lam=0)."
            )
        return resolved

    def _searched(
        self, params: Params, step_size: ArrayLike, metric: Params | None
    ) -> tuple[Params, dict[Path, Array]]:
        """The joint prox for any entry penalty, and the certificate."""
        resolved = self._separable(params)
        leaves, rebuild = flatten_by_path(params)
        metrics = None if metric is None else flatten_by_path(metric)[0]
        found, _ = flatten_by_path(resolved.entries_part.prox(params, step_size, metric))
        gaps, shrinks = {}, resolved.entries_part.paths
        for family, weight in resolved.groups_part.weighted(params, disjoint=True):
            paths = [member.path for member in family.members]
            result, gap = joint_prox(
                [leaves[path] for path in paths],
                family,
                [self.entry if path in shrinks else None for path in paths],
                self.group,
                step_size,
                step_size * weight,
                None if metrics is None else [metrics[path] for path in paths],
            )
            found.update(zip(paths, result, strict=True))
            gaps[paths[0]] = gap
        return rebuild(found), gaps


def entry_groups(
    penalty: Penalty, grouping: GroupingLike | None, groups: Groups, params: Params
) -> Groups:
    """The groups of an entry penalty beside a group penalty: its own, within the same leaves."""
    if grouping is not None:
        return grouping.resolve(params)
    return penalty.default_grouping.resolve(params).restrict(groups.paths)


RegularizerLike: TypeAlias = Regularizer | SparseGroup
