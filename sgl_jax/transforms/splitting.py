"""The paper's variable splitting, as a link before the base optimizer."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from sgl_jax._util.narrowing import LeafPlan
from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax._util.typing import Leaves, Params, Path, ScalarOrSchedule
from sgl_jax.groups import GroupingLike, by_neuron, resolved_groups, resolved_paths
from sgl_jax.penalties import L1, Constraint, Penalty
from sgl_jax.regularizers import (
    Regularizer,
    entry_groups,
    require_grouping,
    require_penalty,
)
from sgl_jax.transforms._links import (
    Link,
    LinkState,
    add_to,
    advance,
    check_sign,
    init_state,
    required,
    select,
)


__all__ = ["Splitting", "sgl_transform"]


@pytree_dataclass()
class Splitting(Link):
    """The group lasso on ``w``, a penalty on ``v``, and their coupling.

    Attributes:
      penalty: the penalty of ``v``.
      beta: strength of the coupling.
      group_lam: strength of the group lasso; None if it is the penalty's ``lam``.
      grouping: groups of the group lasso.
      entry_grouping: groups of the penalty; None for its own, within the leaves of ``grouping``.
    """

    penalty: Penalty
    beta: Any
    group_lam: Any
    grouping: GroupingLike
    entry_grouping: GroupingLike | None

    def resolved(self, params: Params) -> "Splitting":
        groups = self.grouping.resolve(params)
        entries = entry_groups(self.penalty, self.entry_grouping, groups, params)
        return Splitting(self.penalty, self.beta, self.group_lam, groups, entries)

    def narrowed(self, kept: Mapping[Path, LeafPlan]) -> "Splitting":
        """Narrows both groupings, and strengths of single entries, to what is left.

        Args:
          kept: for every leaf of the parameters, by its path, the part that stays.
        """
        groups, entries = map(resolved_groups, (self.grouping, self.entry_grouping))
        # Without a group_lam the strength of the penalty is that of the groups, too.
        shared = groups.families if self.group_lam is None else ()
        penalty = self.penalty.restricted(entries.families + shared, kept)
        groupings = groups.narrowed(kept), entries.narrowed(kept)
        return Splitting(penalty, self.beta, self.group_lam, *groupings)

    @property
    def paths(self) -> frozenset[Path]:
        return resolved_paths(self.grouping, self.entry_grouping)

    @property
    def group_lasso(self) -> Regularizer:
        """The group lasso on ``w``."""
        lam = self.penalty.lam if self.group_lam is None else self.group_lam
        return Regularizer(L1(lam), self.grouping)

    @property
    def entries(self) -> Regularizer:
        r"""The penalty at :math:`1/\beta` of its strength; its prox at step 1 is ``v``."""
        penalty = self.penalty.rescaled(1.0 / self.beta)
        return Regularizer(penalty, self.entry_grouping)  # pyrefly: ignore[bad-argument-type]

    def sparse(self, leaves: Leaves, z: Leaves | None) -> Leaves:
        """Computes the auxiliary copy ``v``, in which the exact zeros are."""
        del z
        return self.entries.prox_leaves(leaves, 1.0)

    def value(self, leaves: Leaves) -> Array:
        """Computes the split penalty: group lasso, penalty of ``v``, coupling."""
        v = self.sparse(leaves, None)
        dtype = jnp.result_type(self.beta)
        gap = sum(jnp.sum((w - v[path]).astype(dtype) ** 2) for path, w in leaves.items())
        of_v = self.entries.value_leaves(v)
        return self.group_lasso.value_leaves(leaves) + self.beta * (of_v + 0.5 * gap)

    def gradient(self, leaves: Leaves) -> Leaves:
        """Computes the gradient of :meth:`value` in ``w``, with ``v`` held."""
        v = self.sparse(leaves, None)

        def add(gradient, w, v):
            return gradient + jnp.asarray(self.beta, w.dtype) * (w - v)

        return jax.tree.map(add, jax.grad(self.group_lasso.value_leaves)(leaves), leaves, v)


def sgl_transform(
    penalty: Penalty,
    *,
    beta: ScalarOrSchedule,
    group_lam: ScalarOrSchedule | None = None,
    grouping: GroupingLike = by_neuron(),
    entry_grouping: GroupingLike | None = None,
) -> optax.GradientTransformation:
    r"""Nonconvex sparse group lasso by variable splitting; goes before the base optimizer.

    Minimises, over the weights :math:`W` and an auxiliary copy :math:`V`,

    .. math::
      L(W) + \lambda_g \sum_g \sqrt{|g|} \, \|w_g\|_2 + \beta\, r_{\lambda/\beta}(V)
      + \tfrac{\beta}{2} \|V - W\|_2^2

    where :math:`r_{\lambda/\beta}` is the penalty at :math:`1/\beta` of its strength, so that
    :math:`\beta\, r_{\lambda/\beta} = r_\lambda` for every penalty that is linear in
    :math:`\lambda` (for SCAD and MCP this is the paper's convention). To each gradient it adds that
    of the terms in :math:`W`, with :math:`V = \operatorname{prox}(W)` of :math:`r_{\lambda/\beta}`
    held: together with the step of the base optimizer, one step on :math:`W` and one exact
    minimisation over :math:`V` at every update. :math:`V` is a function of the current :math:`W`,
    so no copy of the parameters is kept. A dead group has subgradient zero.

    The zeros are in :math:`V`, which :func:`sparse_params` returns. It is a working network only
    as far as it agrees with :math:`W`; see :func:`splitting_gap`. Inside ``optax.MultiSteps`` the
    link acts once per emitted step; it does not belong outside.

    Args:
      penalty: the penalty of single weights; its ``lam`` may be a schedule.
      beta: coupling :math:`\beta > 0`, a number or a schedule (the paper multiplies it by 1.25 at
        intervals). To let it grow on some leaves only, chain two of these with ``only=`` and
        ``skip=`` groupings.
      group_lam: strength of the group lasso; ``None`` for the penalty's ``lam``, 0 for none.
      grouping: groups of the group lasso.
      entry_grouping: groups of the penalty; by default its own, within the leaves of ``grouping``.

    Returns:
      An ``optax.GradientTransformation`` whose update needs ``params``.

    Raises:
      ValueError: ``beta`` not positive, ``group_lam`` negative or left out beside a constraint,
        parameters missing, or a grouping that matches no leaf.

    Example:
      >>> import jax.numpy as jnp, optax, sgl_jax as sgl
      >>> params = {"kernel": jnp.array([[0.5, 0.01], [0.2, -0.3]])}
      >>> tx = optax.chain(sgl.sgl_transform(sgl.TransformedL1(lam=1e-3), beta=0.1), optax.sgd(0.1))
      >>> state = tx.init(params)
      >>> updates, state = tx.update({"kernel": jnp.zeros((2, 2))}, state, params)
      >>> int((sgl.sparse_params(state, params)["kernel"] == 0).sum())
      1

    References:
      Bui, Park, Zhang, Qi and Xin, Front. Appl. Math. Stat. 6:529564, 2021.
    """
    require_penalty("sgl_transform", penalty)
    for each in (grouping, entry_grouping):
        if each is not None:
            require_grouping("sgl_transform", each)
    check_sign("sgl_transform", positive=True, beta=beta)
    check_sign("sgl_transform", group_lam=group_lam)
    if group_lam is None and isinstance(penalty, Constraint):
        raise ValueError(
            f"sgl_transform needs a group_lam beside {type(penalty).__name__}, which has no lam, "
            "got None; give 0 for no group lasso."
        )
    link = Splitting(penalty, beta, group_lam, grouping, entry_grouping)

    def init(params: Params) -> LinkState:
        return init_state(link, params)

    def update(updates, state, params=None):
        splitting, state = advance(link, state)
        w = select(required(params, "sgl_transform"), splitting.paths)
        return add_to(updates, splitting.gradient(w)), state

    return optax.GradientTransformation(init, update)
