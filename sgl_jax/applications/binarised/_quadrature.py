"""Integrals over the positive half line, of functions with structure at many scales near zero."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array


__all__ = ["integrate"]

_END = 12.0
"""The Gaussian density beyond it is below 1e-31."""

_PANELS = _END * np.concatenate([[0.0], 0.5 ** np.arange(24, -1, -1)])
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)


def integrate(function: Callable[[Array], Array], kink: Array) -> Array:
    r"""Integrates a function with a Gaussian factor over :math:`[0, \infty)`.

    Gauss-Legendre rules of 20 nodes on panels that halve towards zero, so that a function of
    :math:`z / \varepsilon` is resolved for every :math:`\varepsilon` down to 1e-6.

    Args:
      function: takes nodes, an array of one axis, and returns values like it.
      kink: the one place, > 0, where the function may be less than smooth; infinite for none.
    """
    edges = jnp.asarray(_PANELS, kink.dtype)
    edges = jnp.sort(jnp.append(edges, jnp.clip(kink, 0.0, _END)))
    half, middle = 0.5 * jnp.diff(edges), 0.5 * (edges[1:] + edges[:-1])
    nodes, weights = (jnp.asarray(values, kink.dtype) for values in (_NODES, _WEIGHTS))
    points = middle[:, None] + jnp.outer(half, nodes)
    return jnp.sum(jnp.outer(half, weights).ravel() * function(points.ravel()))
