"""The alternating direction method of multipliers."""

from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from sgl_jax._util.typing import Leaves, Params, ScalarOrSchedule
from sgl_jax.algorithms._base import Base
from sgl_jax.regularizers import RegularizerLike
from sgl_jax.transforms._links import (
    LinkState,
    RegularizerLink,
    add_to,
    advance,
    check_sign,
    init_state,
    required,
    select,
)


__all__ = ["AdmmState", "admm"]


class AdmmState(NamedTuple):
    r"""State of :func:`admm` before its base optimizer.

    Attributes:
      copy: state of the link; its ``z`` is :math:`Z`, by path.
      u: the scaled dual :math:`U`, by path.
      unit: the :math:`\rho` that it is scaled by.
      primal: :math:`\|W - Z\|_2` at the last step of :math:`Z`.
      dual: :math:`\rho \|Z - Z_{old}\|_2` at the last step of :math:`Z`.
    """

    copy: LinkState
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
    link = RegularizerLink(regularizer, {"rho": rho}, zeros="copy")
    return optax.chain(_agree(link, period), base(learning_rate))


def _agree(link: RegularizerLink, period: int) -> optax.GradientTransformation:
    """Makes the link before the base optimizer, which pulls the weights to the copy."""

    def init(params: Params) -> AdmmState:
        copy = init_state(link, params)
        w = select(params, copy.link.paths)
        z, u = jax.tree.map(jnp.copy, w), jax.tree.map(jnp.zeros_like, w)
        primal, dual = (jnp.zeros((), float) for _ in range(2))
        unit = jnp.copy(copy.strengths["rho"])
        return AdmmState(copy._replace(z=z), u, unit, primal, dual)

    def update(updates, state, params=None):
        due = state.copy.count % period == 0
        term, copy = advance(link, state.copy)
        rho, w = term.numbers["rho"], select(required(params, "admm"), term.paths)
        # U is in units of the last rho.
        growth = state.unit / rho
        state = state._replace(u=jax.tree.map(lambda u: u * growth.astype(u.dtype), state.u))
        z, u, *residuals = jax.lax.cond(due, _step_copy, _keep_copy, term, w, state)
        # The gradient of rho/2 |W - Z + U|^2
        pull = jax.tree.map(lambda w, z, u: rho.astype(w.dtype) * (w - z + u), w, z, u)
        return add_to(updates, pull), AdmmState(copy._replace(z=z), u, rho, *residuals)

    return optax.GradientTransformation(init, update)


def _step_copy(
    link: RegularizerLink, w: Leaves, state: AdmmState
) -> tuple[Leaves, Leaves, Array, Array]:
    """Takes a step of the copy and of the dual; returns them with the residuals."""
    rho = link.numbers["rho"]
    z = link.regularizer.prox_leaves(jax.tree.map(jnp.add, w, state.u), 1.0 / rho)
    first = state.copy.count == 0
    u = jax.tree.map(lambda u, w, z: jnp.where(first, u, u + w - z), state.u, w, z)
    dtype = state.primal.dtype
    primal = optax.tree.norm(jax.tree.map(lambda w, z: (w - z).astype(dtype), w, z))
    moved = optax.tree.norm(jax.tree.map(lambda z, old: (z - old).astype(dtype), z, state.copy.z))
    return z, u, primal, (rho * moved).astype(dtype)


def _keep_copy(
    link: RegularizerLink, w: Leaves, state: AdmmState
) -> tuple[Leaves, Leaves, Array, Array]:
    """Returns the copy, the dual and the residuals of the state."""
    del link, w
    return cast(Leaves, state.copy.z), state.u, state.primal, state.dual
