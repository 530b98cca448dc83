"""The capped l1 penalty."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from sgl_jax._util.numerics import in_working_precision, odd
from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax._util.typing import ArrayLike, ScalarOrSchedule
from sgl_jax.penalties._base import NONNEGATIVE, POSITIVE, Range
from sgl_jax.penalties._norm import Curvature, NormPenalty


__all__ = ["CappedL1", "prox_capped_l1"]


@pytree_dataclass()
class CappedL1(NormPenalty):
    r"""The l1 norm up to a cap, beyond which weights are free.

    .. math:: \phi(t) = \lambda \min(t, \theta)

    Its prox is :func:`prox_capped_l1`.

    At a glance:
      phi: :math:`\lambda \min(t, \theta)`
      its prox jumps: always
      large weights lose: nothing
      source: Zhang 2010

    Attributes:
      lam: strength :math:`\lambda \ge 0`, or a schedule.
      theta: the cap, :math:`\theta > 0`.

    References:
      Zhang, Analysis of multi-stage convex relaxation for sparse regularization, JMLR 11, 2010.
    """

    lam: ScalarOrSchedule
    theta: ArrayLike = 1.0
    ranges: ClassVar[dict[str, Range]] = {"lam": NONNEGATIVE, "theta": POSITIVE}
    curvature: ClassVar[Curvature] = "concave"
    half_quadratic: ClassVar[bool] = True

    def phi(self, t: Array) -> Array:
        lam, theta = (jnp.asarray(value, t.dtype) for value in (self.lam, self.theta))
        return lam * jnp.minimum(t, theta)

    def prox_phi(self, t: Array, step_size: ArrayLike) -> Array:
        return prox_capped_l1(t, step_size, self.lam, self.theta)

    def lam_max_phi(self, t: Array, step_size: ArrayLike) -> Array:
        theta = jnp.asarray(self.theta, t.dtype)
        return jnp.maximum(t, 0.5 * t * (t / theta)) / step_size


@in_working_precision
def prox_capped_l1(
    w: Float[Array, "..."], step_size: ArrayLike, lam: ArrayLike, theta: ArrayLike
) -> Float[Array, "..."]:
    r"""The proximal operator of the capped l1 penalty.

    With :math:`t = |w|` and :math:`c = s\lambda`, while :math:`c \le 2\theta`,

    .. math:: (t - c)_+ \;\; (t \le \theta + c/2), \qquad t \text{ beyond},

    and hard thresholding at :math:`\sqrt{2 c \theta}` otherwise.

    Args:
      w: array of any shape.
      step_size: :math:`s \ge 0`.
      lam: strength :math:`\lambda \ge 0`.
      theta: the cap, :math:`\theta > 0`.

    Returns:
      An array like ``w``.

    References:
      Gong, Zhang, Lu, Huang and Ye, A general iterative shrinkage and thresholding algorithm for
      non-convex regularized optimization problems, ICML 2013.
    """
    c = step_size * lam
    gentle = c <= 2.0 * theta
    knee = jnp.where(gentle, theta + 0.5 * c, 0.0)
    threshold = jnp.where(gentle, c, jnp.sqrt(2.0 * c) * jnp.sqrt(theta))
    return odd(w, threshold, lambda t: jnp.where(t <= knee, t - c, t))
