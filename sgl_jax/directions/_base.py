"""The contract of a direction, and the pieces that several of them share."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from sgl_jax._util.typing import ArrayLike, Params, ScalarOrSchedule


__all__ = ["Direction", "check_eps", "decayed", "root_plus"]


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


def check_eps(name: str, eps: ArrayLike) -> None:
    if isinstance(eps, float | int) and eps <= 0:
        raise ValueError(f"The metric of {name} needs eps > 0, got eps={eps}.")


def root_plus(squares: Params, under: ArrayLike, beside: ArrayLike) -> Params:
    """Computes ``sqrt(v + under) + beside`` for every leaf."""
    return jax.tree.map(lambda v: jnp.sqrt(v + under) + beside, squares)


def decayed(base: Direction, weight_decay: ScalarOrSchedule, mask: Any) -> Direction:
    """Adds decoupled weight decay to a direction, in the same metric."""
    decay = optax.add_decayed_weights(weight_decay, mask)
    link = optax.chain(optax.GradientTransformation(base.init, base.update), decay)
    metric = base.metric
    assert metric is not None
    return Direction(link.init, link.update, lambda state: metric(state[0]))
