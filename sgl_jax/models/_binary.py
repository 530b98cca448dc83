"""An activation with two values, and the coarse derivatives that stand in for its own."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


__all__ = ["PROXIES", "binary"]


def _identity(t: Array) -> Array:
    return jnp.ones_like(t)


def _relu(t: Array) -> Array:
    return (t > 0).astype(t.dtype)


def _clipped(t: Array) -> Array:
    return ((t > 0) & (t < 1)).astype(t.dtype)


def _sigmoid(t: Array) -> Array:
    return jax.nn.sigmoid(t) * jax.nn.sigmoid(-t)


PROXIES: dict[str, Callable[[Array], Array]] = {
    "clipped": _clipped,
    "identity": _identity,
    "relu": _relu,
    "sigmoid": _sigmoid,
}
"""Coarse derivatives by the name of the function that has them, sorted."""


def binary(
    x: Float[Array, "..."], proxy: str = "relu", *, signed: bool = False
) -> Float[Array, "..."]:
    r"""Computes the step of each entry, 1 above zero and 0 up to it, with a coarse gradient.

    .. math:: b(x) = 1\{x > 0\}, \qquad \text{and for } b'(x) \text{ stands } \mu(x)

    The derivative of the step is zero, so that nothing would be learned through it. In forward and
    in reverse mode this function has the derivative :math:`\mu` of a proxy instead:

    - ``"identity"``: :math:`\mu = 1`, the straight-through estimator;
    - ``"relu"``: :math:`\mu = 1\{x > 0\}`;
    - ``"clipped"``, a ReLU that stops at 1: :math:`\mu = 1\{0 < x < 1\}`;
    - ``"sigmoid"``: :math:`\mu = \sigma (1 - \sigma)`.

    The coarse gradient is the derivative of nothing: differences of a loss do not approach it, so
    a gradient check fails, a line search has nothing to search, and second derivatives mean
    nothing. Of a proxy, only the even part :math:`(\mu(t) + \mu(-t)) / 2` counts in the mean where
    inputs are as likely as their negatives, as those of the population loss of
    :mod:`sgl_jax.applications.binarised` are: ``"relu"`` there is half of ``"identity"``, and an
    odd proxy would teach nothing.

    A channel of zeros gives zeros, so that :func:`~sgl_jax.compact` removes it. What is not a
    number stays so.

    Args:
      x: array of any shape, of a floating dtype.
      proxy: name of the coarse derivative, a key of ``sgl_jax.models.PROXIES``.
      signed: values -1 and 1 instead of 0 and 1, as :math:`2 b(x) - 1` has them, with twice the
        coarse derivative; a zero then gives -1.

    Returns:
      An array like ``x``, of its dtype.

    Raises:
      ValueError: an unknown proxy, or an array that is not of a floating dtype.

    Example:
      >>> import jax, jax.numpy as jnp, sgl_jax as sgl
      >>> x = jnp.array([-2.0, 0.0, 0.5, 3.0])
      >>> sgl.binary(x).tolist(), sgl.binary(x, signed=True).tolist()
      ([0.0, 0.0, 1.0, 1.0], [-1.0, -1.0, 1.0, 1.0])
      >>> jax.grad(lambda x: sgl.binary(x, "clipped").sum())(x).tolist()
      [0.0, 0.0, 1.0, 0.0]

    References:
      Bengio, Léonard and Courville, Estimating or propagating gradients through stochastic neurons
      for conditional computation, arXiv 1308.3432. Yin, Lyu, Zhang, Osher, Qi and Xin,
      Understanding straight-through estimator in training activation quantized neural nets, ICLR
      2019, arXiv 1903.05662.
    """
    if proxy not in PROXIES:
        *first, last = PROXIES
        raise ValueError(f"binary needs a proxy {', '.join(first)} or {last}, got {proxy!r}.")
    x = jnp.asarray(x)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(
            f"binary needs an array of a floating dtype, got {x.dtype}: convert it first."
        )
    step = _step(x, proxy)
    return 2.0 * step - 1.0 if signed else step


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _step(x: Float[Array, "..."], proxy: str) -> Float[Array, "..."]:
    return jnp.where(jnp.isnan(x), x, (x > 0).astype(x.dtype))


@_step.defjvp
def _step_jvp(proxy: str, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (tangent,) = primals, tangents
    return _step(x, proxy), PROXIES[proxy](x) * tangent
