"""Schedule-free learning whose zeros are exact."""

from functools import partial
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from sgl_jax import directions
from sgl_jax._util.typing import ArrayLike, Params, ScalarOrSchedule
from sgl_jax.directions import Direction
from sgl_jax.regularizers import RegularizerLike
from sgl_jax.transforms._links import (
    Checksum,
    LinkState,
    RegularizerLink,
    advance,
    check_sign,
    init_state,
    required,
)


__all__ = ["ScheduleFreeState", "schedule_free"]


class ScheduleFreeState(NamedTuple):
    """State of :func:`schedule_free`.

    Attributes:
      prox: state of the proximal step, with its iterate ``z``.
      direction: state of the direction.
      weight_sum: sum of the weights of the average.
      max_rate: the largest rate so far.
      b1: share of the average in the parameters.
    """

    prox: LinkState
    direction: optax.OptState
    weight_sum: Array
    max_rate: Array
    b1: Array

    @property
    def z(self) -> Params:
        """The iterate, where ``optax.contrib.schedule_free_eval_params`` looks for it."""
        return self.prox.z


def schedule_free(
    learning_rate: ScalarOrSchedule,
    regularizer: RegularizerLike | None = None,
    *,
    direction: Direction | None = None,
    b1: ArrayLike = 0.9,
    weight_power: ArrayLike = 2.0,
) -> optax.GradientTransformationExtraArgs:
    r"""Averages the iterates instead of lowering the rate; the prox acts on the iterate.

    .. math::
      y_t = (1 - \beta_1) z_t + \beta_1 x_t, \quad
      z_{t+1} = \operatorname{prox}^{d}_{\eta R}(z_t - \eta u(y_t)), \quad
      x_{t+1} = (1 - c_t) x_t + c_t z_{t+1}

    with :math:`c_t` the share of :math:`\eta^p` in its sum so far, for the ``weight_power`` p. The
    parameters are :math:`y`; :func:`~sgl_jax.sparse_params` returns :math:`z`, whose zeros are
    exact. The average :math:`x`, which is dense while the support still changes, is
    ``optax.contrib.schedule_free_eval_params(state, params)``. (With a proximal step inside of
    ``optax.contrib.schedule_free`` none of the three has zeros.)
    Goes last: what changes its step afterwards breaks the average, and :func:`~sgl_jax.check` finds
    out.

    Args:
      learning_rate: :math:`\eta \ge 0`, a number or a schedule; one that warms up.
      regularizer: ``None`` makes this ``optax.contrib.schedule_free``.
      direction: :math:`u`, with its metric :math:`d`, without a momentum of its own
        (``directions.adam(b1=0.0)``); plain gradients by default.
      b1: :math:`\beta_1`, in (0, 1].
      weight_power: power of the rate in the weight of an iterate, >= 0.

    Raises:
      ValueError: ``b1`` not in (0, 1], a negative rate, or a grouping that matches no leaf.

    References:
      Defazio, Yang, Mehta, Mishchenko, Khaled and Cutkosky, The road less scheduled, NeurIPS 2024.
    """
    check_sign("schedule_free", learning_rate=learning_rate)
    if isinstance(b1, float | int) and not 0 < b1 <= 1:
        raise ValueError(f"schedule_free needs b1 in (0, 1], got b1={b1}.")
    direction = directions.sgd() if direction is None else direction
    if regularizer is None:
        plain = optax.GradientTransformation(direction.init, direction.update)
        base = optax.chain(plain, optax.scale_by_learning_rate(learning_rate))
        return optax.contrib.schedule_free(base, learning_rate, b1, weight_power)
    link = RegularizerLink(regularizer, {"step_size": learning_rate}, zeros="copy")
    return _average(link, direction, b1, weight_power)


def _average(
    link: RegularizerLink, direction: Direction, b1: ArrayLike, weight_power: ArrayLike
) -> optax.GradientTransformationExtraArgs:
    """Makes the transformation that averages the iterates of a proximal step."""

    def init(params: Params) -> ScheduleFreeState:
        prox = init_state(link, params)
        prox = prox._replace(z=jax.tree.map(jnp.copy, params), watch=Checksum.empty(params))
        total, max_rate = (jnp.zeros((), float) for _ in range(2))
        share = jnp.asarray(b1, float)
        return ScheduleFreeState(prox, direction.init(params), total, max_rate, share)

    def update(updates, state, params=None, **extra_args):
        del extra_args
        y, old = required(params, "schedule_free"), state.prox.z
        term, prox = advance(link, state.prox)
        rate = term.numbers["step_size"]
        # z_{t+1} = prox(z_t - rate u(y_t)) in the metric of u
        updates, inner = direction.update(updates, state.direction, y)
        moved = jax.tree.map(lambda z, u: z - rate.astype(z.dtype) * u, old, updates)
        metric = None if direction.metric is None else direction.metric(inner)
        z = term.regularizer.prox(moved, rate, metric)
        # x_{t+1}, and with it y_{t+1} - y_t
        total, max_rate, share = _weigh(state, rate, weight_power)
        updates = jax.tree.map(partial(_change, share=share, b1=state.b1), y, old, z)
        watch = cast(Checksum, prox.watch).follow(y, updates)
        prox = prox._replace(z=z, watch=watch)
        return updates, ScheduleFreeState(prox, inner, total, max_rate, state.b1)

    return optax.GradientTransformationExtraArgs(init, update)


def _weigh(state: ScheduleFreeState, rate: Array, power: ArrayLike) -> tuple[Array, Array, Array]:
    """Computes the sum of the weights, the largest rate, and the share of the newest iterate."""
    max_rate = jnp.maximum(state.max_rate, rate)
    weight = max_rate**power
    total = state.weight_sum + weight
    return total, max_rate, weight / jnp.where(total > 0, total, 1.0)


def _change(y: Array, old: Array, z: Array, share: Array, b1: Array) -> Array:
    """Computes the change of the parameters when the iterate goes from ``old`` to ``z``."""
    share, b1 = share.astype(y.dtype), b1.astype(y.dtype)
    x = (y - (1.0 - b1) * old) / b1
    return b1 * ((1.0 - share) * x + share * z) + (1.0 - b1) * z - y
