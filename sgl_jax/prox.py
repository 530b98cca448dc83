r"""Proximal operators: one pure, jittable function per penalty.

Every function minimises, exactly and for every ``step_size >= 0``,

.. math:: \text{step\_size} \cdot \text{value}(z) + \tfrac12 \|z - w\|^2

over :math:`z`; at a tie it returns the solution of smaller norm, then of lowest index. All but
:func:`prox_l1_minus_l2` act on each entry by itself and are odd, so that on norms they are the
scalar half of a group operator. ``step_size`` and the strengths are numbers or arrays that
broadcast against ``w``; they are not checked here (the penalties check them once).

Arithmetic runs in float32 or the dtype of ``w``, whichever is wider, and the result has the dtype
of ``w``. Derivatives exist wherever the operator has one; at a kink they are those of the zero
side.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sgl_jax._numerics import implicit, in_working_precision, odd
from sgl_jax._typing import Step


__all__ = [
    "prox_l0",
    "prox_l1",
    "prox_l1_minus_l2",
    "prox_mcp",
    "prox_scad",
    "prox_transformed_l1",
]


@in_working_precision
def prox_l1(w: Float[Array, "..."], step_size: Step, lam: Step) -> Float[Array, "..."]:
    r"""Soft thresholding, for :math:`\lambda |z|`.

    .. math:: \operatorname{sign}(w) \max(|w| - s\lambda, 0)

    Args:
      w: array of any shape.
      step_size: :math:`s \ge 0`.
      lam: strength :math:`\lambda \ge 0`.

    Returns:
      An array like ``w``.
    """
    threshold = step_size * lam
    return odd(w, threshold, lambda t: t - threshold)


@in_working_precision
def prox_l0(w: Float[Array, "..."], step_size: Step, lam: Step) -> Float[Array, "..."]:
    r"""Hard thresholding, for :math:`\lambda 1\{z \ne 0\}`.

    .. math:: w \text{ if } |w| > \sqrt{2 s \lambda}, \text{ else } 0

    Args:
      w: array of any shape.
      step_size: :math:`s \ge 0`.
      lam: strength :math:`\lambda \ge 0`.

    Returns:
      An array like ``w``.
    """
    return odd(w, jnp.sqrt(2.0 * step_size * lam), lambda t: t)


@in_working_precision
def prox_scad(w: Float[Array, "..."], step_size: Step, lam: Step, a: Step) -> Float[Array, "..."]:
    r"""The proximal operator of SCAD.

    With :math:`t = |w|` and a step :math:`s < a - 1` the objective is convex:

    .. math::
      (t - s\lambda)_+ \;\; (t \le (1 + s)\lambda), \qquad
      \frac{(a-1)t - s a \lambda}{a - 1 - s} \;\; (t \le a\lambda), \qquad t \text{ beyond}.

    From :math:`s = a - 1` on the middle piece is concave and never attained: soft thresholding up
    to :math:`\lambda (a + 1 + s)/2` while :math:`s \le a + 1`, then hard thresholding at
    :math:`\lambda \sqrt{s (a + 1)}`.

    Args:
      w: array of any shape.
      step_size: :math:`s \ge 0`.
      lam: strength :math:`\lambda \ge 0`.
      a: shape, :math:`a > 2`.

    Returns:
      An array like ``w``.

    References:
      Fan and Li, Variable selection via nonconcave penalized likelihood, JASA 96, 2001.
    """
    soft = step_size * lam
    convex = step_size < a - 1.0
    gentle = step_size <= a + 1.0
    hard = lam * jnp.sqrt(step_size * (a + 1.0))
    jump = jnp.where(gentle, 0.5 * lam * (a + 1.0 + step_size), hard)
    knee = jnp.where(convex, lam + soft, jump)
    slope = jnp.where(convex, a - 1.0 - step_size, 1.0)

    def magnitude(t):
        # Where the slope is a rounding error so is the middle, and all of [lam, t] minimises.
        middle = t - step_size * (a * lam - t) / slope
        middle = jnp.where(middle < lam, lam, jnp.where(middle > t, t, middle))
        beyond = jnp.where(convex & (t <= a * lam), middle, t)
        return jnp.where(t <= knee, t - soft, beyond)

    return odd(w, jnp.where(gentle, soft, hard), magnitude)


@in_working_precision
def prox_mcp(
    w: Float[Array, "..."], step_size: Step, lam: Step, gamma: Step
) -> Float[Array, "..."]:
    r"""The proximal operator of the minimax concave penalty.

    With :math:`t = |w|`: firm thresholding while :math:`s < \gamma`,

    .. math::
      \frac{\gamma (t - s\lambda)_+}{\gamma - s} \;\; (t \le \gamma\lambda), \qquad
      t \text{ beyond},

    and hard thresholding at :math:`\lambda \sqrt{s\gamma}` from :math:`s = \gamma` on.

    Args:
      w: array of any shape.
      step_size: :math:`s \ge 0`.
      lam: strength :math:`\lambda \ge 0`.
      gamma: shape, :math:`\gamma > 0`.

    Returns:
      An array like ``w``.

    References:
      Zhang, Nearly unbiased variable selection under minimax concave penalty, Ann. Statist. 38,
      2010.
    """
    firm = step_size < gamma
    stretch = gamma / jnp.where(firm, gamma - step_size, 1.0)
    threshold = lam * jnp.where(firm, step_size, jnp.sqrt(step_size * gamma))

    def magnitude(t):
        middle = (t - step_size * lam) * stretch
        return jnp.where(firm & (t < gamma * lam) & (middle < t), middle, t)

    return odd(w, threshold, magnitude)


@in_working_precision
def prox_transformed_l1(
    w: Float[Array, "..."], step_size: Step, lam: Step, a: Step
) -> Float[Array, "..."]:
    r"""The proximal operator of the transformed l1 penalty :math:`\lambda (a+1)|z| / (a+|z|)`.

    With :math:`c = s\lambda` and :math:`t = |w|` it is zero up to

    .. math::
      \frac{c (a+1)}{a} \;\; \Bigl(c \le \frac{a^2}{2(a+1)}\Bigr), \qquad
      \sqrt{2 c (a+1)} - \frac a2 \;\; \text{otherwise},

    and beyond it the largest root of :math:`z - t + c\,a(a+1)/(a+z)^2`. The root is found by
    Newton's method from a polynomial start; the published arccosine form loses all digits of
    small weights.

    Args:
      w: array of any shape.
      step_size: :math:`s \ge 0`.
      lam: strength :math:`\lambda \ge 0`.
      a: shape, :math:`a > 0`; towards 0 the penalty becomes l0, towards infinity l1.

    Returns:
      An array like ``w``.

    References:
      Zhang and Xin, Minimization of transformed l1 penalty: closed form representation and
      iterative thresholding algorithms, Comm. Math. Sci. 15(2), 2017, 511-537.
    """
    c = step_size * lam
    continuous = c * (a + 1.0) / a
    jump = jnp.sqrt(2.0 * c * (a + 1.0)) - 0.5 * a
    threshold = jnp.where(2.0 * continuous <= a, continuous, jump)
    return odd(w, threshold, lambda t: _transformed_l1_root(t, c, a))


# (1 + 2 cos(2/3 arccos(x))) / 3 on [0, 1], to 6.3e-6: least squares in Chebyshev polynomials.
_START = (-0.00588154507, 0.0257502223, -0.0711122271, 0.384565774, 0.666672932)


@implicit(lambda z, t, c, a: z - t + c * (a / (a + z)) * ((a + 1.0) / (a + z)))
def _transformed_l1_root(t: Array, c: Array, a: Array) -> Array:
    """The largest root z of ``z - t + c a (a + 1) / (a + z)^2``, for t at or past the threshold.

    With ``y = (a + z) / (a + t)`` this is the cubic ``y^3 - y^2 + q = 0``, whose largest root is a
    smooth function of ``sqrt(1 - 27 q / 4)``.
    """
    inverse = 1.0 / (a + t)
    q = c * inverse * (a * inverse) * ((a + 1.0) * inverse)
    x = jnp.sqrt(jnp.maximum(1.0 - 6.75 * q, 0.0))
    y = functools.reduce(lambda total, coefficient: total * x + coefficient, _START)
    z = jnp.maximum((a + t) * y - a, 0.0)
    for _ in range(2 if t.dtype == jnp.float64 else 1):
        inverse = 1.0 / (a + z)
        bend = 2.0 * c * (a * inverse) * ((a + 1.0) * inverse) * inverse
        # Newton's step, solved for z: no difference of nearly equal numbers while z is small.
        z = (t - bend * (0.5 * (a + z) + z)) / jnp.where(bend < 1, 1.0 - bend, 1.0)
    return jnp.where(t < jnp.inf, jnp.clip(z, 0.0, t), t)


@in_working_precision
def prox_l1_minus_l2(
    w: Float[Array, "..."], step_size: Step, lam: Step, alpha: Step
) -> Float[Array, "..."]:
    r"""The proximal operator of :math:`\lambda (\|z\|_1 - \alpha \|z\|_2)`, all of ``w`` one group.

    With :math:`c = s\lambda`, :math:`m = \max_i |w_i|` and :math:`u` the soft thresholding of
    :math:`w` at :math:`c`:

    .. math::
      u \, (\|u\|_2 + \alpha c) / \|u\|_2 \;\; (m > c), \qquad
      \operatorname{sign}(w_i)\, (m - (1 - \alpha) c)_+ \, e_i \;\; (m \le c)

    with :math:`i` the first index of largest magnitude.

    Args:
      w: array of any shape.
      step_size: :math:`s \ge 0`, a scalar.
      lam: strength :math:`\lambda \ge 0`, a scalar.
      alpha: :math:`0 \le \alpha \le 1`, a scalar; 0 is soft thresholding.

    Returns:
      An array like ``w``.

    References:
      Lou and Yan, Fast l1-l2 minimization via a proximal operator, J. Sci. Comput. 74, 2018,
      767-785.
    """
    c = step_size * lam
    size = jnp.abs(w)
    peak = jnp.max(size, initial=0.0)
    soft = odd(w, c, lambda t: t - c)
    several = peak > c
    scale = jax.lax.stop_gradient(jnp.where(several & (peak < jnp.inf), peak - c, 1.0))
    scaled = soft / scale
    squares = jnp.sum(scaled**2)
    unit = jnp.where(squares < jnp.inf, scaled / jnp.sqrt(jnp.where(several, squares, 1.0)), 0.0)
    first = _first(size == peak) | jnp.isnan(w)
    lone = jnp.where(first, odd(w, (1.0 - alpha) * c, lambda t: t - (1.0 - alpha) * c), 0.0)
    return jnp.where(several | (c <= 0), soft + alpha * c * unit, lone)


def _first(mask: Array) -> Array:
    """The first entry of a mask that is set, as a mask; no reshape, so any sharding will do."""
    positions = [jax.lax.broadcasted_iota(jnp.int32, mask.shape, k) for k in range(mask.ndim)]
    index = jnp.zeros(mask.shape, jnp.int32)
    for position, size in zip(positions, mask.shape, strict=True):
        index = index * size + position
    return mask & (index == jnp.min(jnp.where(mask, index, mask.size), initial=mask.size))
