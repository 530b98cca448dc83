"""The transformed l1 penalty."""

import functools
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from sgl_jax._util.numerics import implicit, in_working_precision, odd
from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax._util.typing import ArrayLike, ScalarOrSchedule
from sgl_jax.penalties._base import NONNEGATIVE, POSITIVE, Range
from sgl_jax.penalties._norm import Curvature, NormPenalty


__all__ = ["TransformedL1", "prox_transformed_l1"]


@pytree_dataclass()
class TransformedL1(NormPenalty):
    r"""The transformed l1 penalty, between l0 and l1.

    .. math:: \phi(t) = \lambda \frac{(a + 1) t}{a + t}

    Its prox is :func:`prox_transformed_l1`: continuous for steps up to
    :math:`a^2 / (2 \lambda (a + 1))`, with a jump beyond.

    At a glance:
      phi: :math:`\lambda (a + 1) t / (a + t)`
      its prox jumps: if :math:`c > a^2 / (2a + 2)`
      large weights lose: :math:`\sim c/w^2`
      source: Zhang, Xin 2017

    Attributes:
      lam: strength :math:`\lambda \ge 0`, or a schedule.
      a: shape, :math:`a > 0`.

    References:
      Zhang and Xin, Minimization of transformed l1 penalty: closed form representation and
      iterative thresholding algorithms, Comm. Math. Sci. 15(2), 2017, 511-537.
    """

    lam: ScalarOrSchedule
    a: ArrayLike = 1.0
    ranges: ClassVar[dict[str, Range]] = {"lam": NONNEGATIVE, "a": POSITIVE}
    curvature: ClassVar[Curvature] = "concave"
    half_quadratic: ClassVar[bool] = True

    def phi(self, t: Array) -> Array:
        lam, a = (jnp.asarray(value, t.dtype) for value in (self.lam, self.a))
        return lam * (a + 1.0) * (t / (a + t))

    def prox_phi(self, t: Array, step_size: ArrayLike) -> Array:
        return prox_transformed_l1(t, step_size, self.lam, self.a)

    def lam_max_phi(self, t: Array, step_size: ArrayLike) -> Array:
        a = jnp.asarray(self.a, t.dtype)
        continuous, jump = t * (a / (a + 1.0)), (t + 0.5 * a) * ((0.5 * t + 0.25 * a) / (a + 1.0))
        return jnp.where(2.0 * t <= a, continuous, jump) / step_size


@in_working_precision
def prox_transformed_l1(
    w: Float[Array, "..."], step_size: ArrayLike, lam: ArrayLike, a: ArrayLike
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
    """Finds the largest root of ``z - t + c a (a + 1) / (a + z)^2``, for t past the threshold.

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
