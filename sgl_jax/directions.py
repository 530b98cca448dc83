r"""Directions: what an optimizer does before its step, with the metric it does it in.

A proximal step needs to know in which metric its optimizer measures distance. Adam moves by
:math:`-\text{rate} \cdot \hat m / d` with :math:`d = \sqrt{\hat v} + \epsilon`, which is a gradient
step in the metric :math:`d`, and its proximal step is

.. math:: \arg\min_z \; \text{rate} \cdot R(z) + \tfrac12 \sum_i d_i (z_i - p_i + \text{rate} \,
  \hat m_i / d_i)^2.

With the Euclidean prox instead, it converges to another point.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from sgl_jax._typing import Params, Step


__all__ = ["Direction", "adam", "sgd"]


class Direction(NamedTuple):
    """An Optax transformation that does not scale by the learning rate, and its metric.

    Attributes:
      init: ``init(params) -> state``.
      update: ``update(gradients, state, params) -> (direction, state)``, to be multiplied by minus
        the learning rate.
      metric: ``metric(state)`` is the diagonal in which the last direction was the gradient, a
        tree like the parameters; ``None`` if it is the identity.
    """

    init: Callable[[Params], Any]
    update: Callable[..., tuple[Any, Any]]
    metric: Callable[[Any], Params] | None


def sgd(momentum: Step | None = None, nesterov: bool = False) -> Direction:
    """The direction of ``optax.sgd``, in the Euclidean metric.

    Args:
      momentum: decay of the accumulated gradients in [0, 1); ``None`` keeps none.
      nesterov: whether to look ahead.
    """
    link = optax.identity() if momentum is None else optax.trace(momentum, nesterov)
    return Direction(link.init, link.update, metric=None)


def adam(b1: Step = 0.9, b2: Step = 0.999, eps: Step = 1e-8, eps_root: Step = 0.0) -> Direction:
    r"""The direction of ``optax.adam``; its metric is :math:`\sqrt{\hat v +\epsilon_r} + \epsilon`.

    Args:
      b1: decay of the first moment, in [0, 1).
      b2: decay of the second moment, in [0, 1).
      eps: added to the root; positive, so that the metric is.
      eps_root: added under the root.

    Raises:
      ValueError: ``eps`` is not positive.
    """
    if isinstance(eps, float | int) and eps <= 0:
        raise ValueError(f"The metric of adam needs eps > 0, got eps={eps}.")
    link = optax.scale_by_adam(b1, b2, eps, eps_root)

    def metric(state):
        v_hat = optax.tree.bias_correction(state.nu, b2, state.count)
        return jax.tree.map(lambda v: jnp.sqrt(v + eps_root) + eps, v_hat)

    return Direction(link.init, link.update, metric)
