"""The fast iterative shrinkage-thresholding algorithm, with restart."""

from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from sgl_jax._util.typing import Params, ScalarOrSchedule
from sgl_jax.algorithms._base import zero_if_none
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


__all__ = ["FistaState", "fista"]


class FistaState(NamedTuple):
    """State of :func:`fista`.

    Attributes:
      prox: state of the proximal step; its ``z`` is the iterate :math:`x`.
      t: :math:`t_k`.
    """

    prox: LinkState
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

    The parameters are :math:`y`, at which the gradient is to be taken;
    :func:`~sgl_jax.sparse_params` returns :math:`x`, whose zeros are exact. The momentum starts
    anew when it points uphill, :math:`\langle y_k - x_k, x_k - x_{k-1} \rangle > 0`. Made for full
    batches and rates up to one over the Lipschitz constant of :math:`\nabla L`. It has to be last
    in a chain: what changes its step afterwards breaks the recurrence, and
    :func:`~sgl_jax.check` reports it.

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
    link = RegularizerLink(zero_if_none(regularizer), {"step_size": learning_rate}, zeros="copy")

    def init(params: Params) -> FistaState:
        prox = init_state(link, params)
        x = jax.tree.map(jnp.copy, params)
        return FistaState(prox._replace(z=x, watch=Checksum.empty(params)), jnp.ones((), float))

    def update(updates, state, params=None, **extra_args):
        del extra_args
        y, old = required(params, "fista"), state.prox.z  # y_k and x_{k-1}
        term, prox = advance(link, state.prox)  # the strengths of this update
        rate = term.numbers["step_size"]
        # x_k = prox(y_k - rate grad)
        moved = jax.tree.map(lambda y, g: y - rate.astype(y.dtype) * g, y, updates)
        x = term.regularizer.prox(moved, rate)
        # t_{k+1} = (1 + sqrt(1 + 4 t_k^2)) / 2
        t = 0.5 * (1.0 + jnp.sqrt(1.0 + 4.0 * state.t**2))
        momentum = (state.t - 1.0) / t
        if restart:
            uphill = _inner(y, x, old) > 0
            t, momentum = jnp.where(uphill, 1.0, t), jnp.where(uphill, 0.0, momentum)
        # y_{k+1} = x_k + momentum (x_k - x_{k-1})
        updates = jax.tree.map(
            lambda x, old, y: x + momentum.astype(x.dtype) * (x - old) - y, x, old, y
        )
        watch = cast(Checksum, prox.watch).follow(y, updates)
        return updates, FistaState(prox._replace(z=x, watch=watch), t)

    return optax.GradientTransformationExtraArgs(init, update)


def _inner(y: Params, x: Params, old: Params) -> Array:
    """Computes the inner product of the gradient mapping, ``y - x``, and of ``x - old``."""
    products = jax.tree.map(lambda y, x, old: jnp.sum((y - x) * (x - old), dtype=float), y, x, old)
    return jnp.sum(jnp.stack(jax.tree.leaves(products)))
