"""The fast iterative shrinkage-thresholding algorithm, with restart."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from sgl_jax._util.typing import Params, ScalarOrSchedule
from sgl_jax.algorithms._base import given
from sgl_jax.regularizers import RegularizerLike
from sgl_jax.transforms._links import Checksum, CopyState, check_sign, in_force, planned, required
from sgl_jax.transforms.proximal import ProximalStep


__all__ = ["FistaState", "fista"]


class FistaState(NamedTuple):
    """State of :func:`fista`.

    Attributes:
      prox: the link; its ``z`` is the iterate :math:`x`.
      t: the number that the momentum is made of.
    """

    prox: CopyState
    t: Array


def fista(
    learning_rate: ScalarOrSchedule,
    regularizer: RegularizerLike | None = None,
    *,
    restart: bool = True,
) -> optax.GradientTransformationExtraArgs:
    r"""Nesterov's momentum on proximal gradient steps.

    .. math::
      x_k = \operatorname{prox}_{\eta R}(y_k - \eta \nabla L(y_k)), \quad
      y_{k+1} = x_k + \tfrac{t_k - 1}{t_{k+1}} (x_k - x_{k-1}), \quad
      t_{k+1} = \tfrac12 \bigl(1 + \sqrt{1 + 4 t_k^2}\bigr)

    The parameters are :math:`y`, where the gradient is wanted; :func:`~sgl_jax.sparse_params`
    returns :math:`x`, whose zeros are exact. The momentum starts anew when it points uphill,
    :math:`\langle y_k - x_k, x_k - x_{k-1} \rangle > 0`. Made for full batches and rates up to one
    over the Lipschitz constant of :math:`\nabla L`. Goes last: what changes its step afterwards
    breaks the recurrence, and :func:`~sgl_jax.check` finds out.

    Args:
      learning_rate: :math:`\eta \ge 0`, a number or a schedule.
      regularizer: any with a prox; ``None`` for none.
      restart: whether the momentum starts anew when it points uphill.

    Raises:
      ValueError: a negative rate, parameters missing, or a grouping that matches no leaf.

    References:
      Beck and Teboulle, A fast iterative shrinkage-thresholding algorithm for linear inverse
      problems, SIAM J. Imaging Sci. 2, 2009. O'Donoghue and Candes, Adaptive restart for
      accelerated gradient schemes, Found. Comput. Math. 15, 2015.
    """
    check_sign("fista", learning_rate=learning_rate)
    term = ProximalStep(given(regularizer), learning_rate)

    def init(params: Params) -> FistaState:
        x = jax.tree.map(jnp.copy, params)
        watch = Checksum.empty(params)
        prox = CopyState(jnp.zeros((), jnp.int32), *planned(term, params), x, watch)
        return FistaState(prox, jnp.ones((), float))

    def update(updates, state, params=None, **extra_args):
        del extra_args
        y, prox = required(params, "fista"), state.prox
        strengths = in_force(term, prox.strengths, prox.count)
        rate = strengths["step_size"]
        moved = jax.tree.map(lambda y, g: y - rate.astype(y.dtype) * g, y, updates)
        x = prox.plan.link(strengths).regularizer.prox(moved, rate)
        t, momentum = _momentum(state.t)
        if restart:
            uphill = _uphill(y, x, prox.z)
            t, momentum = jnp.where(uphill, 1.0, t), jnp.where(uphill, 0.0, momentum)
        updates = jax.tree.map(
            lambda x, old, y: x + momentum.astype(x.dtype) * (x - old) - y, x, prox.z, y
        )
        count = optax.safe_increment(prox.count)
        watch = prox.footprint.followed(y, updates)
        return updates, FistaState(CopyState(count, strengths, prox.plan, x, watch), t)

    return optax.GradientTransformationExtraArgs(init, update)


def _momentum(t: Array) -> tuple[Array, Array]:
    """The next number that the momentum is made of, and the momentum."""
    after = 0.5 * (1.0 + jnp.sqrt(1.0 + 4.0 * t**2))
    return after, (t - 1.0) / after


def _uphill(y: Params, x: Params, old: Params) -> Array:
    """Whether the momentum of a step points away from where the step leads."""
    products = jax.tree.map(lambda y, x, old: jnp.sum((y - x) * (x - old), dtype=float), y, x, old)
    return jnp.sum(jnp.stack(jax.tree.leaves(products))) > 0
