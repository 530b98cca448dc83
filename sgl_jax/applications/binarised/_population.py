"""The population: loss, coarse gradient and potential, as formulas of the filters alone."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from sgl_jax.applications.binarised._forms import form_of


__all__ = ["angle", "population_coarse_gradient", "population_loss", "potential", "unit"]


def unit(w: Float[Array, "d"], otherwise: Float[Array, "d"] | None = None) -> Float[Array, "d"]:
    """Divides by the Euclidean norm.

    Args:
      w: a vector.
      otherwise: what to return for a vector of zeros; by default zeros.

    Returns:
      A vector of norm 1, or ``otherwise``.
    """
    largest = jnp.max(jnp.abs(w))
    scaled = w / jnp.where(largest > 0, largest, 1.0)
    norm = jnp.sqrt(jnp.sum(scaled**2))
    direction = scaled / jnp.where(norm > 0, norm, 1.0)
    return jnp.where(largest > 0, direction, 0.0 if otherwise is None else otherwise)


def angle(w: Float[Array, "d"], w_star: Float[Array, "d"]) -> Float[Array, ""]:
    """Computes the angle between two vectors, to all digits where it is small.

    Args:
      w: a vector; zeros are at a right angle to everything.
      w_star: a vector that is not zero.

    Returns:
      An angle from 0 to pi.
    """
    a, b = unit(w), unit(w_star)
    apart, together = (jnp.sqrt(jnp.sum(v**2)) for v in (a - b, a + b))
    return 2.0 * jnp.arctan2(apart, together)


def population_loss(
    w: Float[Array, "d"], w_star: Float[Array, "d"], k: int, factor: float = 0.5
) -> Float[Array, ""]:
    r"""Computes the mean of :func:`squared_loss` over Gaussian inputs.

    .. math:: \rho \, \mathbb E (f(X, w) - f(X, w^*))^2 = \rho k \, \theta / \pi

    with the angle :math:`\theta` between the filters; it does not depend on their norms. For
    ``w = 0`` it is :math:`\rho k (k + 1) / 4`.

    Args:
      w: the filter.
      w_star: the true filter, not zero.
      k: patches of an input, >= 1.
      factor: :math:`\rho > 0`; 1/2 and 1 are the usual conventions.

    Example:
      >>> import jax.numpy as jnp
      >>> float(population_loss(jnp.array([0.0, 3.0]), jnp.array([1.0, 0.0]), k=4))
      1.0
    """
    at_zero = 0.25 * factor * k * (k + 1)
    return jnp.where(jnp.any(w != 0), factor * k / math.pi * angle(w, w_star), at_zero)


def population_coarse_gradient(
    w: Float[Array, "d"],
    w_star: Float[Array, "d"],
    k: int,
    proxy: str = "relu",
    factor: float = 0.5,
) -> Float[Array, "d"]:
    r"""Computes the mean of :func:`coarse_gradient` over Gaussian inputs.

    .. math:: 2 \rho k \bigl(\alpha\, \hat w - \gamma\, \hat w^*\bigr)

    where hats are unit vectors. For ``"relu"`` is :math:`\alpha = \gamma = 1 / (2 \sqrt{2 \pi})`,
    for ``"identity"`` twice that. For ``"clipped"``, with the normal density :math:`\phi` and
    distribution :math:`\Phi` and :math:`T = 1 / |w|`, they are :math:`1 / (2 \sqrt{2 \pi}) -
    \phi(T) \, \Phi(-T \cot\theta)` and :math:`(\Phi(T / \sin\theta) - 1/2) / \sqrt{2 \pi}`; for
    ``"sigmoid"`` they are integrals, computed to all digits. For every proxy it points away from
    the true filter, and it is zero at no angle but 0.

    Args:
      w: the filter.
      w_star: the true filter, not zero.
      k: patches of an input, >= 1.
      proxy: coarse derivative of the step, see :func:`~sgl_jax.binary`.
      factor: :math:`\rho > 0`; 1/2 and 1 are the usual conventions.

    Returns:
      An array like ``w``; for ``w = 0`` what the proxy has at 0, for ``"relu"`` and ``"clipped"``
      zeros.

    Raises:
      ValueError: an unknown proxy.

    Example:
      >>> import jax.numpy as jnp
      >>> g = population_coarse_gradient(jnp.array([0.0, 3.0]), jnp.array([1.0, 0.0]), k=4)
      >>> [round(float(entry), 6) for entry in g]
      [-0.797885, 0.797885]
    """
    form, r, theta = form_of(proxy), jnp.sqrt(jnp.sum(w**2)), angle(w, w_star)
    safe = jnp.where(r > 0, r, 1.0)
    alpha, gamma = form.alpha(safe, theta), form.gamma(safe, theta)
    gamma = jnp.where(r > 0, gamma, form.at_zero / math.sqrt(2.0 * math.pi))
    return 2.0 * factor * k * (alpha * unit(w) - gamma * unit(w_star))


def potential(
    w: Float[Array, "d"],
    w_star: Float[Array, "d"],
    k: int,
    proxy: str = "relu",
    factor: float = 0.5,
) -> Float[Array, ""]:
    r"""Computes the function whose gradient :func:`population_coarse_gradient` is.

    .. math::
      V(w) = 2 \rho k \, \mathbb E \, M(x^\top w)
      \bigl(1\{x^\top w > 0\} - 1\{x^\top w^* > 0\}\bigr) \ge 0, \qquad M(t) = \int_0^t \mu

    It is not the loss. For ``"relu"`` and ``"identity"`` it is :math:`c (|w| - w^\top \hat w^*)`,
    convex, with the constant :math:`c` of :class:`Population`.

    Args:
      w: the filter.
      w_star: the true filter, not zero.
      k: patches of an input, >= 1.
      proxy: coarse derivative of the step, see :func:`~sgl_jax.binary`.
      factor: :math:`\rho > 0`; 1/2 and 1 are the usual conventions.

    Raises:
      ValueError: an unknown proxy.

    Example:
      >>> import jax.numpy as jnp
      >>> w, w_star = jnp.array([0.0, 3.0]), jnp.array([1.0, 0.0])
      >>> round(float(potential(w, w_star, k=4)), 6)
      2.393654
    """
    r, theta = jnp.sqrt(jnp.sum(w**2)), angle(w, w_star)
    value = form_of(proxy).potential(jnp.where(r > 0, r, 1.0), theta)
    return jnp.where(r > 0, 2.0 * factor * k * value, 0.0)
