r"""The means of each proxy over Gaussian inputs.

Only its even part counts, :math:`m(t) = (\mu(t) + \mu(-t)) / 2`. With the angle :math:`\theta`
between the filter and the true one and :math:`r = |w|`, the mean of the coarse gradient is
:math:`2 \rho k (\alpha\, \hat w - \gamma\, \hat w^*)`, where

.. math::
  \alpha = \gamma \cos\theta + 2 \int_0^\infty \phi(z)\, z\, \Phi(-z \cot\theta)\, m(r z)\, dz,
  \qquad
  \gamma = \frac1\pi \int_0^\infty e^{-t^2/2}\, m(r t \sin\theta)\, dt,

and it is the gradient of :math:`2 \rho k` times

.. math:: V = 2 \int_0^\infty \phi(z)\, \Phi(-z \cot\theta) \int_0^{r z} m(t)\, dt\, dz.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr
from jaxtyping import Array

from sgl_jax.applications.binarised._quadrature import integrate


__all__ = ["FORMS", "Form", "form_of"]

_ROOT = math.sqrt(2.0 * math.pi)


class Form(NamedTuple):
    r"""The mean of a proxy, as functions of :math:`r`, :math:`\theta`; all take scalars.

    Attributes:
      largest: the largest value of :math:`m`.
      at_zero: :math:`\mu(0)`.
      alpha: the coefficient of the unit filter.
      gamma: the coefficient of the true one, with its sign changed.
      potential: :math:`V`.
    """

    largest: float
    at_zero: float
    alpha: Callable[[Array, Array], Array]
    gamma: Callable[[Array, Array], Array]
    potential: Callable[[Array, Array], Array]


def _constant(m: float, at_zero: float) -> Form:
    """Makes the form of a proxy whose even part is constant."""

    def gamma(r: Array, theta: Array) -> Array:
        del theta
        return jnp.full_like(r, m / _ROOT)

    def potential(r: Array, theta: Array) -> Array:
        return (2.0 * m / _ROOT) * r * jnp.sin(0.5 * theta) ** 2

    return Form(m, at_zero, gamma, gamma, potential)


def _density(z: Array) -> Array:
    return jnp.exp(-0.5 * z**2) / _ROOT


def _sine(theta: Array) -> Array:
    """Computes the sine, positive in single precision, too, where an angle is rounded beyond pi."""
    return jnp.maximum(jnp.sin(theta), jnp.finfo(theta.dtype).tiny)


def _behind(z: Array, theta: Array) -> Array:
    """Computes how probably a patch at ``z > 0`` along the filter is behind the true one."""
    return ndtr(-z * (jnp.cos(theta) / _sine(theta)))


def _clipped_alpha(r: Array, theta: Array) -> Array:
    return 0.5 / _ROOT - _density(1.0 / r) * _behind(1.0 / r, theta)


def _clipped_gamma(r: Array, theta: Array) -> Array:
    return (ndtr(1.0 / r / _sine(theta)) - 0.5) / _ROOT


def _clipped_potential(r: Array, theta: Array) -> Array:
    return integrate(
        lambda z: _density(z) * _behind(z, theta) * jnp.minimum(r * z, 1.0), kink=1.0 / r
    )


def _sigmoid_slope(t: Array) -> Array:
    return jax.nn.sigmoid(t) * jax.nn.sigmoid(-t)


def _sigmoid_gamma(r: Array, theta: Array) -> Array:
    width = r * _sine(theta)
    smooth = jnp.full_like(r, jnp.inf)
    return integrate(lambda t: jnp.exp(-0.5 * t**2) * _sigmoid_slope(width * t), smooth) / math.pi


def _sigmoid_alpha(r: Array, theta: Array) -> Array:
    def along(z: Array) -> Array:
        return 2.0 * _density(z) * z * _behind(z, theta) * _sigmoid_slope(r * z)

    smooth = jnp.full_like(r, jnp.inf)
    return integrate(along, smooth) + _sigmoid_gamma(r, theta) * jnp.cos(theta)


def _sigmoid_potential(r: Array, theta: Array) -> Array:
    def cost(z: Array) -> Array:
        return _density(z) * _behind(z, theta) * jnp.tanh(0.5 * r * z)

    return integrate(cost, jnp.full_like(r, jnp.inf))


FORMS: dict[str, Form] = {
    "clipped": Form(0.5, 0.0, _clipped_alpha, _clipped_gamma, _clipped_potential),
    "identity": _constant(1.0, 1.0),
    "relu": _constant(0.5, 0.0),
    "sigmoid": Form(0.25, 0.25, _sigmoid_alpha, _sigmoid_gamma, _sigmoid_potential),
}
"""The forms of ``sgl_jax.models.PROXIES``, by their names."""


def form_of(proxy: str) -> Form:
    """Finds the form of a proxy.

    Args:
      proxy: its name.

    Raises:
      ValueError: an unknown proxy.
    """
    if proxy not in FORMS:
        *first, last = FORMS
        raise ValueError(
            f"The population needs a proxy {', '.join(first)} or {last}, got {proxy!r}."
        )
    return FORMS[proxy]
