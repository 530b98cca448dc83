"""The directions that divide by the root of a sum or mean of squares, without momentum."""

import optax

from sgl_jax._util.typing import ArrayLike
from sgl_jax.directions._base import Direction, check_eps, root_plus


__all__ = ["adagrad", "rmsprop"]


def adagrad(initial_accumulator_value: ArrayLike = 0.1, eps: ArrayLike = 1e-7) -> Direction:
    r"""The direction of ``optax.adagrad``; its metric is :math:`\sqrt{\sum_t g_t^2 + \epsilon}`.

    Args:
      initial_accumulator_value: start of the sum, >= 0.
      eps: added under the root; positive, so that the metric is.

    Raises:
      ValueError: ``eps`` is not positive.
    """
    check_eps("adagrad", eps)
    link = optax.scale_by_rss(initial_accumulator_value, eps)
    return Direction(
        link.init, link.update, lambda state: root_plus(state.sum_of_squares, eps, 0.0)
    )


def rmsprop(
    decay: ArrayLike = 0.9,
    eps: ArrayLike = 1e-8,
    initial_scale: ArrayLike = 0.0,
    *,
    eps_in_sqrt: bool = True,
    bias_correction: bool = False,
) -> Direction:
    r"""The direction of ``optax.rmsprop`` without momentum, metric :math:`\sqrt{v+\epsilon}`.

    Args:
      decay: decay of the squares :math:`v`, in [0, 1).
      eps: added under the root; positive, so that the metric is.
      initial_scale: start of the squares, >= 0.
      eps_in_sqrt: True to add ``eps`` under the root, False to add it to the root.
      bias_correction: True to correct the squares for their start.

    Raises:
      ValueError: ``eps`` is not positive.
    """
    check_eps("rmsprop", eps)
    link = optax.scale_by_rms(decay, eps, initial_scale, eps_in_sqrt, bias_correction)

    def metric(state):
        v = state.nu
        if bias_correction:
            v = optax.tree.bias_correction(v, decay, state.count)
        return root_plus(v, eps, 0.0) if eps_in_sqrt else root_plus(v, 0.0, eps)

    return Direction(link.init, link.update, metric)
