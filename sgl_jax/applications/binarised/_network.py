"""The network, its squared loss and its coarse gradient, on inputs that are given."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

import sgl_jax as sgl


__all__ = ["coarse_gradient", "draw", "no_overlap", "squared_loss"]


def no_overlap(
    w: Float[Array, "d"], x: Float[Array, "n k d"], proxy: str = "relu"
) -> Float[Array, "n"]:
    r"""Computes the outputs of the network: the number of patches on the positive side.

    .. math:: f(X, w) = \sum_{i=1}^k 1\{x_i^\top w > 0\}

    One filter :math:`w` is applied to :math:`k` patches that do not overlap, and the binarised
    activations are added. A patch of zeros adds nothing.

    Args:
      w: the filter.
      x: inputs, ``k`` patches of ``d`` entries in each.
      proxy: coarse derivative of the step, see :func:`~sgl_jax.binary`.

    Returns:
      A number from 0 to ``k`` for each input.

    Raises:
      ValueError: shapes that do not fit, or an unknown proxy.

    Example:
      >>> import jax.numpy as jnp
      >>> no_overlap(jnp.array([1.0, 0.0]), jnp.array([[[2.0, 1.0], [-1.0, 3.0], [0.0, 0.0]]]))
      Array([1.], dtype=float32)
    """
    if x.ndim != 3 or w.shape != x.shape[2:]:
        raise ValueError(
            "no_overlap needs inputs of shape (n, k, d) and a filter of shape (d,), got "
            f"{x.shape} and {w.shape}."
        )
    return jnp.sum(sgl.binary(x @ w, proxy), axis=1)


def squared_loss(
    w: Float[Array, "d"],
    x: Float[Array, "n k d"],
    y: Float[Array, "n"],
    proxy: str = "relu",
    factor: float = 0.5,
) -> Float[Array, ""]:
    r"""Computes the mean squared error of the network, times a factor.

    .. math:: \frac{\rho}{n} \sum_j (f(X_j, w) - y_j)^2

    ``jax.grad`` of it is :func:`coarse_gradient`; its differences are zero almost everywhere.

    Args:
      w: the filter.
      x: inputs.
      y: the outputs to be learned.
      proxy: coarse derivative of the step, see :func:`~sgl_jax.binary`.
      factor: :math:`\rho > 0`; 1/2 and 1 are the usual conventions.

    Raises:
      ValueError: shapes that do not fit, or an unknown proxy.
    """
    if y.shape != x.shape[:1]:
        raise ValueError(
            f"squared_loss needs one output for each of the {x.shape[0]} inputs, got an array of "
            f"shape {y.shape}."
        )
    return factor * jnp.mean((no_overlap(w, x, proxy) - y) ** 2)


def coarse_gradient(
    w: Float[Array, "d"],
    x: Float[Array, "n k d"],
    y: Float[Array, "n"],
    proxy: str = "relu",
    factor: float = 0.5,
) -> Float[Array, "d"]:
    r"""Computes the coarse gradient of :func:`squared_loss` in the filter.

    .. math::
      g = \frac{2\rho}{n} \sum_j (f(X_j, w) - y_j) \sum_{i=1}^k \mu(x_{ji}^\top w) \, x_{ji}

    where :math:`\mu` stands in for the derivative of the step. It is the gradient of a function of
    :math:`w` for one patch only; for more it is the gradient of nothing.

    Args:
      w: the filter.
      x: inputs.
      y: the outputs to be learned.
      proxy: name of :math:`\mu`, see :func:`~sgl_jax.binary`.
      factor: :math:`\rho > 0`; 1/2 and 1 are the usual conventions.

    Returns:
      An array like ``w``.

    Raises:
      ValueError: shapes that do not fit, or an unknown proxy.
    """
    return jax.grad(squared_loss)(w, x, y, proxy, factor)


def draw(
    key: PRNGKeyArray, w_star: Float[Array, "d"], n: int, k: int
) -> tuple[Float[Array, "n k d"], Float[Array, "n"]]:
    """Draws Gaussian inputs, and the outputs of the network with the true filter for them.

    Args:
      key: source of randomness.
      w_star: the true filter.
      n: number of inputs, >= 1.
      k: patches of an input, >= 1.

    Returns:
      Inputs with independent standard normal entries, and outputs.
    """
    x = jax.random.normal(key, (n, k, *w_star.shape), w_star.dtype)
    return x, no_overlap(w_star, x)
