"""The contract of a reparametrization.

A method that draws the weights of a network from parameters of its own wraps the network: no
transformation of gradients can express it. A :class:`Reparametrization` makes a tree of those
parameters from the weights, and weights from that tree, at random in training, without chance in
use. :func:`reparametrized` is the optimizer's part, :func:`sgl_jax.train.reparametrize` the
network's.
"""

from typing import Any, Protocol, runtime_checkable

import jax
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from sgl_jax._util.typing import Params


__all__ = ["Reparametrization", "reparametrized"]


@runtime_checkable
class Reparametrization(Protocol):
    """Weights that are made of other parameters.

    All methods are pure, and can be compiled and differentiated.
    """

    def init(self, key: PRNGKeyArray, params: Params) -> Any:
        """Makes the parameters to train from the weights of a network."""
        ...

    def sample(self, key: PRNGKeyArray, trained: Any) -> Params:
        """Draws weights, as in training."""
        ...

    def read(self, trained: Any) -> Params:
        """Computes the weights in use, with their exact zeros."""
        ...

    def penalty(self, trained: Any) -> Float[Array, ""]:
        """Computes the penalty that is added to the loss."""
        ...

    def clip(self, trained: Any) -> Any:
        """Moves parameters that have left their range to its nearest end."""
        ...


def reparametrized(
    method: Reparametrization, optimizer: optax.GradientTransformation
) -> optax.GradientTransformation:
    """Adds the gradient of the penalty before an optimizer, and the ranges of parameters behind it.

    Args:
      method: the reparametrization.
      optimizer: any Optax transformation, which sees the gradient of loss and penalty.
    """

    def add_gradient(updates, params):
        return jax.tree.map(lambda g, p: g + p, updates, jax.grad(method.penalty)(params))

    def stay_in_range(updates, params):
        moved = method.clip(optax.apply_updates(params, updates))
        return jax.tree.map(lambda new, old: new - old, moved, params)

    return optax.chain(optax.stateless(add_gradient), optimizer, optax.stateless(stay_in_range))
