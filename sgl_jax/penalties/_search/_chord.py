r"""What few points tell of the objective of the joint prox between them.

With the names of ``_joint``: F is concave in u, as the minimum of functions
that are affine in u, and even in :math:`v = 1 / (\delta + u)`. For if :math:`\text{entry}(t) -
\frac\kappa2 t^2` is concave and :math:`\delta \ge d_i + s \kappa`, then

.. math::
  s\,\text{entry}(v y) + \tfrac12 (d_i + u) (v y)^2 - d_i w_i v y
  \qquad\text{with}\qquad u = \tfrac1v - \delta

is concave in v for every y, and F the sum of their minima. With its chord :math:`A - B v` the best
u for each r is at :math:`v = r / \sqrt{2B}`, which leaves

.. math:: J(z) \ge A - \tfrac{B}{\delta}
  + \tfrac\delta2 \Bigl(r - \tfrac{\sqrt{2B}}{\delta}\Bigr)^2 + \mu\,\phi(r),

least where the scalar prox of :math:`\phi` says: there the interval is split. For entries that are
soft thresholds beyond their threshold the bound is exact, so few points do. A :math:`\kappa` that
is not known counts as infinite, which makes v affine in u.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from sgl_jax._util.numerics import with_slope


__all__ = ["Point", "ScaledNorm", "between", "most"]


def most(x: Array) -> float:
    """What stays finite with another factor."""
    return float(jnp.finfo(x.dtype).max) / 64


class ScaledNorm(NamedTuple):
    """The group penalty times its step, per group, of norms in a unit and in its square."""

    penalty: Any
    step: Array
    unit: Array | float

    def value(self, t: Array) -> Array:
        value = self.step * (self.penalty.phi(self.unit * t) / self.unit) / self.unit
        return jnp.minimum(value, most(t))

    def bend(self, t: Array) -> Array:
        """:math:`u(t)`, in no unit."""
        at = self.unit * t
        return jnp.clip(self.step * (with_slope(self.penalty.phi, at)[1] / at), 0.0, most(t))

    def prox(self, t: Array, rate: Array) -> Array:
        return self.penalty.prox_phi(self.unit * t, self.step * rate) / self.unit


class Point(NamedTuple):
    """What is known at a norm t, per group.

    Attributes:
      t: the norm, in the unit of length whose square is the unit of cost.
      bend: :math:`u(t)`.
      cost: :math:`F(u(t))`.
      total: an upper bound of the least objective, and the objective itself where t is right.
    """

    t: Array
    bend: Array
    cost: Array
    total: Array


def between(low: Point, high: Point, norm: ScaledNorm, rate: Array) -> tuple[Array, Array]:
    r"""What bounds the objective between two points from below, and where it does so the least.

    Args:
      low: the point of the lesser norm; its bend is infinite at 0.
      high: the other one.
      norm: the group penalty.
      rate: :math:`1 / \delta`, 0 where no :math:`\delta` is known.
    """
    fall = jnp.maximum(low.cost - high.cost, 0.0)
    apart = low.bend > high.bend
    run = jnp.where(apart, 1.0 - high.bend / low.bend, 1.0)
    steep = jnp.where(apart, (1.0 / low.bend + rate) / run, 0.0)
    radius = jnp.sqrt(2.0 * fall * (1.0 + rate * high.bend) * steep)
    r = jnp.clip(norm.prox(radius, rate), low.t, high.t)
    # Any bend between the two gives a bound at r; this one the highest.
    slow = rate * r
    bend = jnp.where(slow > 0, (radius - r) / jnp.where(slow > 0, slow, 1.0), jnp.inf)
    bend = jnp.where(rate > 0, jnp.clip(bend, high.bend, low.bend), high.bend)
    share = steep * (1.0 - high.bend / bend) / (1.0 / bend + rate)
    share = jnp.where(bend > high.bend, jnp.clip(share, 0.0, 1.0), 0.0)
    square = jnp.where(r > 0, bend * r**2, 0.0)
    return norm.value(r) - 0.5 * square + high.cost + share * fall, r
