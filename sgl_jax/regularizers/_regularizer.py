"""A penalty on the groups of a whole tree of parameters."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from sgl_jax._util.narrowing import LeafPlan
from sgl_jax._util.pytree import flatten_by_path, pytree_dataclass
from sgl_jax._util.typing import ArrayLike, Leaves, Params, Path
from sgl_jax.groups import GroupFamily, GroupingLike, resolved_groups
from sgl_jax.penalties import Penalty
from sgl_jax.regularizers._kinds import require_grouping, require_penalty
from sgl_jax.regularizers._weights import find_weights, narrow_weights, to_rule


__all__ = ["Regularizer"]


@pytree_dataclass()
class Regularizer:
    r"""A penalty on groups of parameters.

    .. math:: R(W) = \sum_g \text{weight}_g \, \text{penalty}(w_g)

    Leaves without a group are left alone.

    Attributes:
      penalty: how a group shrinks.
      grouping: what shrinks together; by default the penalty's own, which is
        :func:`~sgl_jax.by_entry` for every function of single weights. Resolved
        :class:`~sgl_jax.Groups` stand too.
      weight: ``"sqrt_size"``, the square root of the size of the group; ``None`` for 1; or a
        pytree with a number, or one number per group, at the path of the first leaf of each family.
        By default the penalty's own: ``"sqrt_size"`` for a function of the norm of a group.

    Raises:
      ValueError: an unknown weight rule, or an argument of another kind.
    """

    penalty: Penalty
    grouping: GroupingLike = None  # pyrefly: ignore[bad-assignment]
    weight: Any = "default"

    def __post_init__(self):
        require_penalty("Regularizer", self.penalty)
        if self.grouping is not None:
            require_grouping("Regularizer", self.grouping)
        weight = self.weight
        if isinstance(weight, str):
            weight = self.penalty.default_weight if weight == "default" else weight
        object.__setattr__(self, "weight", to_rule(weight) if isinstance(weight, str) else weight)
        if self.grouping is None:
            object.__setattr__(self, "grouping", self.penalty.default_grouping)

    def resolved(self, params: Params) -> "Regularizer":
        """Finds the groups of these parameters, once for all calls on their leaves.

        Raises:
          ValueError: no leaf matches, or one is refused; see :mod:`sgl_jax.groups`.
        """
        return Regularizer(self.penalty, self.grouping.resolve(params), self.weight)

    def narrowed(self, kept: Mapping[Path, LeafPlan]) -> "Regularizer":
        """Narrows the groups, and strengths and weights of single groups, to what is left.

        It is called once resolved.

        Args:
          kept: for every leaf of the parameters, by its path, the part that stays.

        Raises:
          ValueError: what is left of the groups cannot have the penalty.
        """
        groups = resolved_groups(self.grouping)
        penalty = self.penalty.restricted(groups.families, kept)
        weight = narrow_weights(self.weight, groups, kept)
        return Regularizer(penalty, groups.narrowed(kept), weight)

    @property
    def paths(self) -> frozenset[Path]:
        """Names of the leaves that have a group; once resolved."""
        return resolved_groups(self.grouping).paths

    @property
    def penalties(self) -> tuple[Penalty, ...]:
        """The penalties it is made of."""
        return (self.penalty,)

    def value(self, params: Params) -> Array:
        """Computes the penalty of a tree of parameters, a scalar."""
        return self.resolved(params).value_leaves(flatten_by_path(params)[0])

    def value_leaves(self, leaves: Leaves) -> Array:
        """Computes :meth:`value` of leaves by path; once resolved."""
        total = jnp.zeros(())
        for family, weight in self.families(leaves):
            parts = [leaves[member.path] for member in family.members]
            total += self.penalty.group_value(parts, family, weight).astype(total.dtype)
        return total

    def prox(self, params: Params, step_size: ArrayLike, metric: Params | None = None) -> Params:
        r"""Minimises ``step_size * value(z)`` plus half a squared distance to ``params`` over z.

        Args:
          params: a tree of parameters.
          step_size: :math:`\ge 0`.
          metric: a diagonal :math:`d > 0`, a tree like ``params``; the distance is then
            :math:`\tfrac12 \sum_i d_i (z_i - w_i)^2`.

        Returns:
          A tree like ``params``.

        Raises:
          ValueError: the groups overlap, or the penalty has no such form in a metric.
        """
        leaves, rebuild = flatten_by_path(params)
        metrics = None if metric is None else flatten_by_path(metric)[0]
        return rebuild(self.resolved(params).prox_leaves(leaves, step_size, metrics))

    def prox_leaves(
        self, leaves: Leaves, step_size: ArrayLike, metrics: Leaves | None = None
    ) -> Leaves:
        """Computes :meth:`prox` of leaves by path; once resolved."""
        found, step_size = dict(leaves), jnp.asarray(step_size, float)
        for family, weight in self.families(leaves, disjoint=True):
            paths = [member.path for member in family.members]
            parts = [leaves[path] for path in paths]
            in_metric = None if metrics is None else [metrics[path] for path in paths]
            shrunk = self.penalty.group_prox(parts, step_size * weight, family, in_metric)
            found.update(zip(paths, shrunk, strict=True))
        return found

    def lam_max_leaves(self, leaves: Leaves, step_size: ArrayLike) -> Array:
        """Finds the least strength at which :meth:`prox_leaves` is zero; once resolved."""
        found = self.removal_leaves(leaves, step_size).values()
        return functools.reduce(jnp.maximum, [jnp.max(each, initial=0.0) for each in found])

    def removal_leaves(self, leaves: Leaves, step_size: ArrayLike) -> Leaves:
        """Finds the least strength at which each group is zero in :meth:`prox_leaves`.

        Where strengths differ from group to group, it is the largest, and the others keep their
        ratios to it.

        Returns:
          By path arrays that broadcast against the leaves; once resolved.
        """
        found, step_size = {}, jnp.asarray(step_size, float)
        for family, weight in self.families(leaves, disjoint=True):
            paths = [member.path for member in family.members]
            parts = [leaves[path] for path in paths]
            least = self.penalty.group_lam_max(parts, step_size * weight, family)
            share = _share_of_largest(self.penalty).astype(least.dtype)
            least = jnp.where(least > 0, least / share, 0.0)
            found.update(zip(paths, family.spread(least), strict=True))
        return found

    def residual_leaves(self, leaves: Leaves, grads: Leaves) -> Leaves:
        """Finds the shortest sums of gradients and subgradients of the value; once resolved."""
        found = dict(grads)
        for family, weight in self.families(leaves, disjoint=True):
            paths = [member.path for member in family.members]
            parts, pulls = ([tree[path] for path in paths] for tree in (leaves, found))
            residuals = self.penalty.group_residual(parts, pulls, family, weight)
            found.update(zip(paths, residuals, strict=True))
        return found

    def families(
        self, leaves: Leaves, *, disjoint: bool = False
    ) -> list[tuple[GroupFamily, Array]]:
        """Pairs every family of groups with its weight, a scalar or per group; once resolved.

        Raises:
          ValueError: a leaf is missing or has another shape, strengths do not broadcast against
            the groups, or ``disjoint`` is asked for and the groups overlap.
        """
        groups = resolved_groups(self.grouping).check(leaves)
        for family in groups:
            _check_strengths(self.penalty, family)
        if disjoint and not groups.disjoint:
            raise ValueError(
                "A prox needs disjoint groups, got a leaf in two families of groups; take the "
                "gradient of the value instead."
            )
        return list(zip(groups, find_weights(self.weight, groups), strict=True))


def _share_of_largest(penalty: Penalty) -> Array:
    """Divides the strengths of groups by the largest of them; 1 for a single strength."""
    lam = jnp.asarray(penalty.lam, float)
    return lam / jnp.max(lam) if lam.ndim else jnp.ones(())


def _check_strengths(penalty: Penalty, family: GroupFamily) -> None:
    """Refuses strengths that do not broadcast against the groups of a family."""
    for shape in map(jnp.shape, jax.tree.leaves(penalty)):
        try:
            np.broadcast_shapes(shape, family.shape)
        except ValueError:
            raise ValueError(
                f"{type(penalty).__name__} needs strengths that broadcast against {family.shape}, "
                f"the groups of {family.members[0].path!r}, got an array of shape {shape}."
            ) from None
