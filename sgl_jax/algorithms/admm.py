"""The alternating direction method of multipliers."""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax._util.typing import Params, ScalarOrSchedule
from sgl_jax.algorithms._base import Base
from sgl_jax.regularizers import RegularizerLike
from sgl_jax.transforms._links import (
    CopyState,
    Leaves,
    RegularizerLink,
    added,
    check_sign,
    in_force,
    planned,
    required,
    select,
)


__all__ = ["AdmmState", "admm"]


@pytree_dataclass()
class _Consensus(RegularizerLink):
    """A regularizer on a copy that the weights must agree with."""

    regularizer: RegularizerLike
    rho: Any

    sets_zeros: ClassVar[bool] = True


class AdmmState(NamedTuple):
    r"""State of :func:`admm` before its base optimizer.

    Attributes:
      copy: the link; its ``z`` is :math:`Z`, by path.
      u: the scaled dual :math:`U`, by path.
      unit: the :math:`\rho` that it is scaled by.
      primal: :math:`\|W - Z\|_2` at the last step of :math:`Z`.
      dual: :math:`\rho \|Z - Z_{old}\|_2` at the last step of :math:`Z`.
    """

    copy: CopyState
    u: Leaves
    unit: Array
    primal: Array
    dual: Array


def admm(
    learning_rate: ScalarOrSchedule,
    regularizer: RegularizerLike,
    *,
    rho: ScalarOrSchedule = 1e-3,
    period: int = 1,
    base: Base = optax.adam,
) -> optax.GradientTransformation:
    r"""Gradient steps on the weights, the exact prox on a copy, and a dual that makes them agree.

    .. math::
      W &\leftarrow \text{steps on } L(W) + \tfrac\rho2 \|W - Z + U\|_2^2 \\
      Z &\leftarrow \operatorname{prox}_{R/\rho}(W + U) \\
      U &\leftarrow U + W - Z

    with the last two after every ``period`` updates; the first :math:`Z` is the prox of the start,
    beside :math:`U = 0`. The regularizer may be a constraint, such as ``Regularizer(TopK(0.1))``;
    then the prox is its projection. The zeros are in :math:`Z`, which
    :func:`~sgl_jax.sparse_params` returns. Where :math:`\rho` is a schedule, :math:`U` is rescaled
    with it. The residuals are in the state: ``optax.tree.get(state, "primal")`` and ``"dual"``.

    Args:
      learning_rate: a number or a schedule.
      regularizer: any with a prox.
      rho: strength :math:`\rho > 0` of the coupling, a number or a schedule.
      period: updates of the weights to one of the copy, >= 1.
      base: factory of the base optimizer.

    Raises:
      ValueError: ``rho`` not positive, ``period`` below 1, or a grouping that matches no leaf.

    References:
      Boyd, Parikh, Chu, Peleato and Eckstein, Distributed optimization and statistical learning via
      the alternating direction method of multipliers, Found. Trends Mach. Learn. 3, 2011. Ren and
      others, ADMM-NN, ASPLOS 2019.
    """
    check_sign("admm", positive=True, rho=rho)
    if period < 1:
        raise ValueError(f"admm needs period >= 1, got period={period}.")
    return optax.chain(_consensus(_Consensus(regularizer, rho), period), base(learning_rate))


def _consensus(term: _Consensus, period: int) -> optax.GradientTransformation:
    """The link before the base optimizer."""

    def init(params: Params) -> AdmmState:
        strengths, plan = planned(term, params)
        leaves = select(params, plan.link(strengths).paths)
        z, u = jax.tree.map(jnp.copy, leaves), jax.tree.map(jnp.zeros_like, leaves)
        copy = CopyState(jnp.zeros((), jnp.int32), strengths, plan, z)
        primal, dual = (jnp.zeros((), float) for _ in range(2))
        return AdmmState(copy, u, jnp.copy(strengths["rho"]), primal, dual)

    def update(updates, state, params=None):
        copy = state.copy
        strengths = in_force(term, copy.strengths, copy.count)
        link, rho = copy.plan.link(strengths), strengths["rho"]
        leaves = select(required(params, "admm"), link.paths)
        growth = state.unit / rho
        state = state._replace(u=jax.tree.map(lambda u: u * growth.astype(u.dtype), state.u))
        due = copy.count % period == 0
        z, u, *residuals = jax.lax.cond(due, _agree, _as_it_is, link, leaves, state)
        pull = jax.tree.map(lambda w, z, u: rho.astype(w.dtype) * (w - z + u), leaves, z, u)
        count = optax.safe_increment(copy.count)
        copy = CopyState(count, strengths, copy.plan, z)
        return added(updates, pull), AdmmState(copy, u, rho, *residuals)

    return optax.GradientTransformation(init, update)


def _agree(link: _Consensus, w: Leaves, state: AdmmState) -> tuple[Leaves, Leaves, Array, Array]:
    """A step of the copy and of the dual, with the residuals."""
    z = link.regularizer.prox(jax.tree.map(jnp.add, w, state.u), 1.0 / link.rho)
    first = state.copy.count == 0
    u = jax.tree.map(lambda u, w, z: jnp.where(first, u, u + w - z), state.u, w, z)
    dtype = state.primal.dtype
    primal = optax.tree.norm(jax.tree.map(lambda w, z: (w - z).astype(dtype), w, z))
    moved = optax.tree.norm(jax.tree.map(lambda z, old: (z - old).astype(dtype), z, state.copy.z))
    return z, u, primal, (link.rho * moved).astype(dtype)


def _as_it_is(link: _Consensus, w: Leaves, state: AdmmState) -> tuple[Leaves, Leaves, Array, Array]:
    del link, w
    return state.copy.z, state.u, state.primal, state.dual
