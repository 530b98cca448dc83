"""The smoothly clipped absolute deviation penalty."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from sgl_jax._util.numerics import in_working_precision, odd
from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax._util.typing import ArrayLike, ScalarOrSchedule
from sgl_jax.penalties._base import NONNEGATIVE, Range
from sgl_jax.penalties._norm import Curvature, NormPenalty


__all__ = ["SCAD", "prox_scad"]


@pytree_dataclass()
class SCAD(NormPenalty):
    r"""The smoothly clipped absolute deviation.

    .. math::
      \phi(t) = \lambda t \;\; (t \le \lambda), \qquad
      \frac{2 a \lambda t - t^2 - \lambda^2}{2 (a - 1)} \;\; (t \le a \lambda), \qquad
      \frac{\lambda^2 (a + 1)}{2} \text{ beyond}

    It is not linear in :math:`\lambda`: its knees move with it. In the paper's splitting the
    penalty of ``v`` is :math:`\beta` times SCAD of strength :math:`\lambda / \beta`
    (:meth:`rescaled`). Its prox is :func:`prox_scad`.

    At a glance:
      phi: :math:`\lambda t`, then quadratic, then constant from :math:`a\lambda` on
      its prox jumps: if :math:`s > a - 1`
      large weights lose: nothing
      source: Fan, Li 2001

    Attributes:
      lam: strength :math:`\lambda \ge 0`, or a schedule.
      a: shape, :math:`a > 2`.

    References:
      Fan and Li, Variable selection via nonconcave penalized likelihood, JASA 96, 2001.
    """

    lam: ScalarOrSchedule
    a: ArrayLike = 3.7
    ranges: ClassVar[dict[str, Range]] = {
        "lam": NONNEGATIVE,
        "a": Range("> 2", lambda value: value > 2),
    }
    curvature: ClassVar[Curvature] = "concave"
    half_quadratic: ClassVar[bool] = True

    def phi(self, t: Array) -> Array:
        lam, a = (jnp.asarray(value, t.dtype) for value in (self.lam, self.a))
        rise = jnp.minimum(t, lam)
        bend = jnp.clip(t, lam, a * lam) - lam
        return lam * rise + bend * (lam - 0.5 * bend / (a - 1.0))

    def prox_phi(self, t: Array, step_size: ArrayLike) -> Array:
        return prox_scad(t, step_size, self.lam, self.a)

    def lam_max_phi(self, t: Array, step_size: ArrayLike) -> Array:
        a = jnp.asarray(self.a, t.dtype)
        gentle = step_size <= a + 1.0
        return t / jnp.where(gentle, step_size, jnp.sqrt(step_size * (a + 1.0)))


@in_working_precision
def prox_scad(
    w: Float[Array, "..."], step_size: ArrayLike, lam: ArrayLike, a: ArrayLike
) -> Float[Array, "..."]:
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
        # If the slope is a rounding error, so is the middle, and every z in [lam, t] minimises.
        middle = t - step_size * (a * lam - t) / slope
        middle = jnp.where(middle < lam, lam, jnp.where(middle > t, t, middle))
        beyond = jnp.where(convex & (t <= a * lam), middle, t)
        return jnp.where(t <= knee, t - soft, beyond)

    return odd(w, jnp.where(gentle, soft, hard), magnitude)
