r"""Lower bounds of the objective of the joint prox, on an interval of norms.

In the notation of ``_joint``, :math:`F(u)` is a minimum of functions that are affine in u, hence
concave in u. It is even concave in :math:`v = 1 / (\delta + u)`: if :math:`\text{entry}(t) -
\frac\kappa2 t^2` is concave and :math:`\delta \ge d_i + s \kappa`, then for every y

.. math::
  s\,\text{entry}(v y) + \tfrac12 (d_i + u) (v y)^2 - d_i w_i v y
  \qquad\text{with}\qquad u = \tfrac1v - \delta

is concave in v, and F is the sum of the minima over y. So between two points F lies above its chord

.. math:: F \ge A - B v, \qquad \text{(1)}

and with (1) the best u for a norm r is at :math:`v = r / \sqrt{2B}`, which leaves

.. math:: J(z) \ge A - \tfrac{B}{\delta}
  + \tfrac\delta2 \Bigl(r - \tfrac{\sqrt{2B}}{\delta}\Bigr)^2 + \mu\,\phi(r). \qquad \text{(2)}

The scalar prox of :math:`\phi` minimises (2), and the interval is split there. For entries that
are soft thresholds beyond their threshold the bound is exact, so few points do. An unknown
:math:`\kappa` counts as infinite, which makes v affine in u.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from sgl_jax._util.numerics import with_slope


__all__ = ["Point", "ScaledNorm", "between", "most"]


def most(x: Array) -> float:
    """Computes the largest number that stays finite when it is multiplied by 64."""
    return float(jnp.finfo(x.dtype).max) / 64


class ScaledNorm(NamedTuple):
    """The group penalty times its step, in units of its own for every group.

    Norms are in a unit of length, costs in its square, so that neither overflows.

    Attributes:
      penalty: a function of the norm.
      step: its step size.
      unit: the unit of length.
    """

    penalty: Any
    step: Array
    unit: Array | float

    def value(self, t: Array) -> Array:
        value = self.step * (self.penalty.phi(self.unit * t) / self.unit) / self.unit
        return jnp.minimum(value, most(t))

    def bend(self, t: Array) -> Array:
        """Computes :math:`u(t)`, which is the same in every unit."""
        at = self.unit * t
        return jnp.clip(self.step * (with_slope(self.penalty.phi, at)[1] / at), 0.0, most(t))

    def prox(self, t: Array, rate: Array) -> Array:
        return self.penalty.prox_phi(self.unit * t, self.step * rate) / self.unit


class Point(NamedTuple):
    """The bound and the objective at a norm t, per group.

    Attributes:
      t: the norm, in the unit of length whose square is the unit of cost.
      bend: :math:`u(t)`.
      cost: :math:`F(u(t))`.
      total: an upper bound of the least objective; the objective itself if t is the best norm.
    """

    t: Array
    bend: Array
    cost: Array
    total: Array


def between(low: Point, high: Point, norm: ScaledNorm, rate: Array) -> tuple[Array, Array]:
    r"""Bounds the objective between two points from below.

    Args:
      low: the point of the lesser norm; its bend is infinite at 0.
      high: the other one.
      norm: the group penalty.
      rate: :math:`1 / \delta`, 0 if no :math:`\delta` is known.

    Returns:
      The bound, and the norm r at which (2) is least.
    """
    # The chord (1) has B = fall / (v_high - v_low). With u the bends, 1 / v = delta + u and
    # rate = 1 / delta: B rate^2 = fall (1 + rate u_high) steep, where steep is
    # (1 + rate u_low) / (u_low - u_high), in quotients that are right for infinite bends.
    fall = jnp.maximum(low.cost - high.cost, 0.0)
    apart = low.bend > high.bend
    run = jnp.where(apart, 1.0 - high.bend / low.bend, 1.0)
    steep = jnp.where(apart, (1.0 / low.bend + rate) / run, 0.0)
    # radius = sqrt(2 B) / delta, and the minimiser of (2) by the scalar prox.
    radius = jnp.sqrt(2.0 * fall * (1.0 + rate * high.bend) * steep)
    r = jnp.clip(norm.prox(radius, rate), low.t, high.t)
    # bend = sqrt(2 B) / r - delta, the best u for r; any u between the two bends bounds J, too.
    slow = rate * r
    bend = jnp.where(slow > 0, (radius - r) / jnp.where(slow > 0, slow, 1.0), jnp.inf)
    bend = jnp.where(rate > 0, jnp.clip(bend, high.bend, low.bend), high.bend)
    # F(u) by its chord, above the cost at high: the share (v_high - v) / (v_high - v_low) of fall.
    share = steep * (1.0 - high.bend / bend) / (1.0 / bend + rate)
    share = jnp.where(bend > high.bend, jnp.clip(share, 0.0, 1.0), 0.0)
    # J >= F(u) + mu phi(r) - u r^2 / 2.
    square = jnp.where(r > 0, bend * r**2, 0.0)
    return norm.value(r) - 0.5 * square + high.cost + share * fall, r
