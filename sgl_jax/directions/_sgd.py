"""The direction of gradient descent."""

import optax

from sgl_jax._util.typing import ArrayLike
from sgl_jax.directions._base import Direction


__all__ = ["sgd"]


def sgd(momentum: ArrayLike | None = None, nesterov: bool = False) -> Direction:
    """The direction of ``optax.sgd``, in the Euclidean metric.

    Args:
      momentum: decay of the accumulated gradients in [0, 1); ``None`` keeps none.
      nesterov: True for Nesterov's momentum.
    """
    link = optax.identity() if momentum is None else optax.trace(momentum, nesterov)
    return Direction(link.init, link.update, metric=None)
