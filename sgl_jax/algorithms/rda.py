"""Regularised dual averaging."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from sgl_jax._util.typing import ArrayLike, Params, ScalarOrSchedule
from sgl_jax.algorithms._base import zero_if_none
from sgl_jax.regularizers import RegularizerLike
from sgl_jax.transforms._links import (
    LinkState,
    RegularizerLink,
    advance,
    check_sign,
    init_state,
    replace_steps,
    required,
    watch_zeros,
)


__all__ = ["RdaState", "rda"]


class RdaState(NamedTuple):
    """State of :func:`rda`.

    Attributes:
      prox: state of the proximal step.
      start: the parameters before the first update.
      total: the sum of the gradients, each times its rate.
      weight: the sum of the rates.
    """

    prox: LinkState
    start: Params
    total: Params
    weight: Array


def rda(
    learning_rate: ScalarOrSchedule,
    regularizer: RegularizerLike | None = None,
    *,
    power: ArrayLike = 0.5,
) -> optax.GradientTransformationExtraArgs:
    r"""A proximal step from the start along the sum of all gradients.

    .. math::
      w_{t+1} = \arg\min_w \sum_{i \le t} \eta_i \bigl(\langle g_i, w \rangle + R(w)\bigr)
      + \frac{t^p}{2} \|w - w_1\|_2^2

    The regularizer counts once for every gradient, so its threshold grows with their number, and
    zeros come much earlier and stay much steadier than after a proximal step along one noisy
    gradient. With a constant rate :math:`\eta` and :math:`p = 1/2` this is the published method for
    :math:`\gamma = 1/\eta`, centred at the start instead of zero, from which no network learns.

    Args:
      learning_rate: :math:`\eta_i \ge 0`, a number or a schedule.
      regularizer: any with a prox; ``None`` for none.
      power: :math:`p \ge 0`; 1/2 for noisy gradients, 0 for exact ones.

    Raises:
      ValueError: a negative rate or power, parameters missing, or a grouping that matches no leaf.

    References:
      Xiao, Dual averaging methods for regularized stochastic learning and online optimization, JMLR
      11, 2010.
    """
    check_sign("rda", learning_rate=learning_rate, power=power)
    link = RegularizerLink(
        zero_if_none(regularizer), {"step_size": learning_rate}, zeros="parameters"
    )

    def init(params: Params) -> RdaState:
        prox = watch_zeros(init_state(link, params), params, sampled=True)
        start = jax.tree.map(jnp.copy, params)
        total = jax.tree.map(jnp.zeros_like, params)
        return RdaState(prox, start, total, jnp.zeros((), float))

    def update(updates, state, params=None, **extra_args):
        del extra_args
        params = required(params, "rda")
        term, prox = advance(link, state.prox)
        rate = term.numbers["step_size"]
        # The sum of eta_i g_i, and of eta_i.
        total = jax.tree.map(lambda s, g: s + rate.astype(s.dtype) * g, state.total, updates)
        weight = state.weight + rate
        # w_1 - t^{-p} sum_i eta_i g_i, then the prox at the step t^{-p} sum_i eta_i.
        scale = prox.count.astype(weight.dtype) ** -jnp.asarray(power, weight.dtype)
        updates = jax.tree.map(
            lambda start, s, w: start - scale.astype(s.dtype) * s - w, state.start, total, params
        )
        shrink = lambda w, moved: term.regularizer.prox_leaves(moved, weight * scale)  # noqa: E731
        updates, prox = replace_steps(updates, prox, params, shrink)
        return updates, RdaState(prox, state.start, total, weight)

    return optax.GradientTransformationExtraArgs(init, update)
