"""The Geman penalty."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from sgl_jax._util.numerics import in_working_precision
from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax._util.typing import ArrayLike, ScalarOrSchedule
from sgl_jax.penalties._base import NONNEGATIVE, POSITIVE, Range
from sgl_jax.penalties._norm import Curvature, NormPenalty
from sgl_jax.penalties.transformed_l1 import prox_transformed_l1


__all__ = ["Geman", "prox_geman"]


@pytree_dataclass()
class Geman(NormPenalty):
    r"""The Geman penalty, bounded by its strength.

    .. math:: \phi(t) = \lambda \frac{t}{t + \gamma}

    It is the transformed l1 penalty of shape :math:`\gamma` in other units of strength. Its prox
    is :func:`prox_geman`.

    At a glance:
      phi: :math:`\lambda t / (t + \gamma)`
      its prox jumps: if :math:`c > \gamma^2 / 2`
      large weights lose: :math:`\sim c/w^2`
      source: Geman, Yang 1995

    Attributes:
      lam: strength :math:`\lambda \ge 0`, or a schedule.
      gamma: scale, :math:`\gamma > 0`.

    References:
      Geman and Yang, Nonlinear image recovery with half-quadratic regularization, IEEE Trans.
      Image Process. 4, 1995.
    """

    lam: ScalarOrSchedule
    gamma: ArrayLike = 1.0
    ranges: ClassVar[dict[str, Range]] = {"lam": NONNEGATIVE, "gamma": POSITIVE}
    curvature: ClassVar[Curvature] = "concave"
    half_quadratic: ClassVar[bool] = True

    def phi(self, t: Array) -> Array:
        lam, gamma = (jnp.asarray(value, t.dtype) for value in (self.lam, self.gamma))
        return lam * (t / (t + gamma))

    def prox_phi(self, t: Array, step_size: ArrayLike) -> Array:
        return prox_geman(t, step_size, self.lam, self.gamma)

    def lam_max_phi(self, t: Array, step_size: ArrayLike) -> Array:
        gamma = jnp.asarray(self.gamma, t.dtype)
        continuous, jump = t * gamma, 0.5 * (t + 0.5 * gamma) ** 2
        return jnp.where(2.0 * t <= gamma, continuous, jump) / step_size


@in_working_precision
def prox_geman(
    w: Float[Array, "..."], step_size: ArrayLike, lam: ArrayLike, gamma: ArrayLike
) -> Float[Array, "..."]:
    r"""The proximal operator of the Geman penalty :math:`\lambda |z| / (|z| + \gamma)`.

    It is that of the transformed l1 penalty, :func:`~sgl_jax.prox.prox_transformed_l1`, since

    .. math:: \lambda \frac{t}{t + \gamma} = \lambda' \frac{(a + 1) t}{a + t}, \qquad
      a = \gamma, \; \lambda' = \frac{\lambda}{\gamma + 1}.

    Args:
      w: array of any shape.
      step_size: :math:`s \ge 0`.
      lam: strength :math:`\lambda \ge 0`.
      gamma: scale, :math:`\gamma > 0`.

    Returns:
      An array like ``w``.

    References:
      Zhang and Xin, Minimization of transformed l1 penalty: closed form representation and
      iterative thresholding algorithms, Comm. Math. Sci. 15(2), 2017, 511-537.
    """
    return prox_transformed_l1(w, step_size, lam / (1.0 + gamma), gamma)
