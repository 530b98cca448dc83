"""The alternating direction method of multipliers."""

from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from sgl_jax._util.typing import Leaves, Params, ScalarOrSchedule, Schedule
from sgl_jax.algorithms._base import Base
from sgl_jax.algorithms._quantisation import (
    Fit,
    count_changes,
    fit_levels,
    refit_levels_if,
    round_to_levels,
    signs,
)
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
      start: codes of the first :math:`Z`, by path: on levels the integers, elsewhere the signs.
      changed: codes of :math:`Z` that differ from those.
      fit: intervals and support of levels; ``None`` for another regularizer.
    """

    copy: LinkState
    u: Leaves
    unit: Array
    primal: Array
    dual: Array
    start: Leaves
    changed: Array
    fit: Fit | None


def admm(
    learning_rate: ScalarOrSchedule,
    regularizer: RegularizerLike,
    *,
    rho: ScalarOrSchedule = 1e-3,
    period: int = 1,
    rounds: int = 0,
    steps: int = 10_000,
    growth: float = 1.0,
    refit: int = 1,
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
    with it. The residuals are in the state: ``optax.tree.get(state, "primal")`` and ``"dual"``; and
    in ``"changed"`` how many entries of :math:`Z` have another sign, or another level of
    :class:`~sgl_jax.Levels`, than at first: with none, all of this was but rounding. A large
    :math:`\rho` does that, and so do few steps of the copy; take one that is small and grows.

    Levels stay on the support of the first weights, and a weight on it that is zero goes to the
    lowest level. Their intervals are fitted to :math:`W + U`, at the first step of the copy and
    after every ``refit`` of them; a fit moves the set to which :math:`U` belongs.

    Args:
      learning_rate: a number or a schedule.
      regularizer: any with a prox.
      rho: strength :math:`\rho > 0` of the coupling, a number or a schedule.
      period: updates of the weights to one of the copy, >= 1.
      rounds: steps of the copy in ``steps`` updates, in the place of a period; 0 takes the period.
      steps: updates of all rounds together.
      growth: factor on :math:`\rho` at each step of the copy but the first, > 0.
      refit: steps of the copy from one fit of the intervals of levels to the next; 0 keeps the
        first.
      base: factory of the base optimizer.

    Raises:
      ValueError: a number out of its range, or a grouping that matches no leaf.

    References:
      Boyd, Parikh, Chu, Peleato and Eckstein, Distributed optimization and statistical learning via
      the alternating direction method of multipliers, Found. Trends Mach. Learn. 3, 2011. Ren and
      others, ADMM-NN, ASPLOS 2019.
    """
    check_sign("admm", positive=True, rho=rho, growth=growth)
    least = {"period": (period, 1), "rounds": (rounds, 0), "steps": (steps, 1), "refit": (refit, 0)}
    for name, (given, at_least) in least.items():
        if given < at_least:
            raise ValueError(f"admm needs {name} >= {at_least}, got {name}={given}.")
    period = max(1, steps // rounds) if rounds else period
    constant = isinstance(growth, float | int) and growth == 1
    numbers = {"rho": rho if constant else _grow(rho, growth, period)}
    link = RegularizerLink(regularizer, numbers, zeros="copy")
    return optax.chain(_agree(link, period, refit), base(learning_rate))


def _grow(value: ScalarOrSchedule, growth: float, period: int) -> Schedule:
    """Multiplies a value by a factor after every period."""

    def grown(count):
        now = value(count) if callable(value) else value
        return jnp.asarray(now, float) * jnp.asarray(growth, float) ** (count // period)

    return grown


def _agree(link: RegularizerLink, period: int, refit: int) -> optax.GradientTransformation:
    """Makes the link before the base optimizer, which pulls the weights to the copy."""

    def init(params: Params) -> AdmmState:
        copy = init_state(link, params)
        w = select(params, copy.link.paths)
        z, u = jax.tree.map(jnp.copy, w), jax.tree.map(jnp.zeros_like, w)
        primal, dual = (jnp.zeros((), float) for _ in range(2))
        unit, changed = jnp.copy(copy.strengths["rho"]), jnp.zeros((), jnp.int32)
        fit = fit_levels(cast(RegularizerLink, copy.link).regularizer, w)
        return AdmmState(copy._replace(z=z), u, unit, primal, dual, signs(w), changed, fit)

    def update(updates, state, params=None):
        due = state.copy.count % period == 0
        anew = (state.copy.count // period) % refit == 0 if refit else state.copy.count == 0
        term, copy = advance(link, state.copy)
        rho, w = term.numbers["rho"], select(required(params, "admm"), term.paths)
        # U is in units of the last rho.
        growth = state.unit / rho
        state = state._replace(u=jax.tree.map(lambda u: u * growth.astype(u.dtype), state.u))
        state = jax.lax.cond(due, _step_copy, _keep_copy, term, w, state, anew)
        # The gradient of rho/2 |W - Z + U|^2
        z, u = cast(Leaves, state.copy.z), state.u
        pull = jax.tree.map(lambda w, z, u: rho.astype(w.dtype) * (w - z + u), w, z, u)
        return add_to(updates, pull), state._replace(copy=copy._replace(z=z), unit=rho)

    return optax.GradientTransformation(init, update)


def _step_copy(link: RegularizerLink, w: Leaves, state: AdmmState, anew: Array) -> AdmmState:
    """Takes a step of the copy and of the dual."""
    rho, first = link.numbers["rho"], state.copy.count == 0
    z, codes, fit = _project(link, jax.tree.map(jnp.add, w, state.u), state.fit, anew)
    u = jax.tree.map(lambda u, w, z: jnp.where(first, u, u + w - z), state.u, w, z)
    dtype = state.primal.dtype
    primal = optax.tree.norm(jax.tree.map(lambda w, z: (w - z).astype(dtype), w, z))
    moved = optax.tree.norm(jax.tree.map(lambda z, old: (z - old).astype(dtype), z, state.copy.z))
    start = jax.tree.map(lambda old, new: jnp.where(first, new, old), state.start, codes)
    return AdmmState(
        state.copy._replace(z=z),
        u,
        state.unit,
        primal,
        (rho * moved).astype(dtype),
        start,
        count_changes(codes, start),
        fit,
    )


def _project(
    link: RegularizerLink, at: Leaves, fit: Fit | None, anew: Array
) -> tuple[Leaves, Leaves, Fit | None]:
    """Computes the prox, on levels by a fit that may be made anew; returns it, codes and fit."""
    if fit is None:
        z = link.regularizer.prox_leaves(at, 1.0 / link.numbers["rho"])
        return z, signs(z), None
    fit = refit_levels_if(anew, link.regularizer, at, fit)
    return *round_to_levels(link.regularizer, at, fit), fit


def _keep_copy(link: RegularizerLink, w: Leaves, state: AdmmState, anew: Array) -> AdmmState:
    """Returns the state."""
    del link, w, anew
    return state
