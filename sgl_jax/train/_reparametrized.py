"""A network whose weights are drawn from other parameters."""

from typing import Any

import jax
from jaxtyping import PRNGKeyArray

from sgl_jax._util.typing import Params
from sgl_jax.reparametrizations import Reparametrization
from sgl_jax.train._step import Network


__all__ = ["reparametrize"]


def reparametrize(
    key: PRNGKeyArray, network: Network, params: Params, rest: Any, method: Reparametrization
) -> tuple[Network, Any, Any]:
    """Wraps a network so that its weights are drawn from other parameters.

    Every step in training draws with a key of its own, which is among the rest of the arrays; in
    use nothing is drawn. :func:`sgl_jax.compact` takes what is left: ``network`` with
    ``method.read(trained)`` for its parameters.

    Args:
      key: draws the first parameters, and then what every step draws.
      network: the network, as :func:`sgl_jax.train.split` makes it.
      params: its parameters.
      rest: the rest of its arrays.
      method: the reparametrization.

    Returns:
      The network, the parameters to train, and the rest of its arrays with the key.

    Example:
      >>> import jax, jax.numpy as jnp, sgl_jax as sgl
      >>> from flax import nnx
      >>> from sgl_jax.reparametrizations import HardConcrete
      >>> network, params, rest = sgl.train.split(nnx.Linear(3, 2, rngs=nnx.Rngs(0)))
      >>> method, key, x = HardConcrete(1e-3), jax.random.key(0), jnp.ones((5, 3))
      >>> network, trained, rest = sgl.train.reparametrize(key, network, params, rest, method)
      >>> logits, rest = network.forward(trained, rest, x)  # draws, and moves the key
      >>> logits.shape, network.apply((trained, rest), x).shape
      ((5, 2), (5, 2))
    """
    first, stream = jax.random.split(key)

    def forward(trained, rest, images):
        others, stream = rest
        stream, drawing = jax.random.split(stream)
        logits, others = network.forward(method.sample(drawing, trained), others, images)
        return logits, (others, stream)

    def apply(variables, images):
        trained, (others, _) = variables
        return network.apply((method.read(trained), others), images)

    return Network(forward, apply, network.options), method.init(first, params), (rest, stream)
