"""The elastic net."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from sgl_jax._util.numerics import in_working_precision, odd
from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax._util.typing import ArrayLike, ScalarOrSchedule
from sgl_jax.penalties._base import NONNEGATIVE, Range
from sgl_jax.penalties._norm import Curvature, NormPenalty


__all__ = ["ElasticNet", "prox_elastic_net"]


@pytree_dataclass()
class ElasticNet(NormPenalty):
    r"""The l1 norm and a ridge beside it.

    .. math:: \phi(t) = \lambda \bigl(t + \tfrac{\gamma}{2} t^2\bigr)

    Convex, and the ridge keeps correlated weights together. Its prox is
    :func:`prox_elastic_net`.

    At a glance:
      phi: :math:`\lambda (t + \gamma t^2 / 2)`
      its prox jumps: never
      large weights lose: a share
      source: Zou, Hastie 2005

    Attributes:
      lam: strength :math:`\lambda \ge 0`, or a schedule.
      gamma: share of the ridge, :math:`\gamma \ge 0`.

    References:
      Zou and Hastie, Regularization and variable selection via the elastic net, J. R. Stat. Soc.
      B 67, 2005.
    """

    lam: ScalarOrSchedule
    gamma: ArrayLike = 1.0
    ranges: ClassVar[dict[str, Range]] = {"lam": NONNEGATIVE, "gamma": NONNEGATIVE}
    curvature: ClassVar[Curvature] = "convex"
    half_quadratic: ClassVar[bool] = True

    def phi(self, t: Array) -> Array:
        lam, gamma = (jnp.asarray(value, t.dtype) for value in (self.lam, self.gamma))
        return lam * t * (1.0 + 0.5 * gamma * t)

    def semiconcavity(self) -> Any:
        return jnp.asarray(self.lam) * jnp.asarray(self.gamma)

    def prox_phi(self, t: Array, step_size: ArrayLike) -> Array:
        return prox_elastic_net(t, step_size, self.lam, self.gamma)

    def lam_max_phi(self, t: Array, step_size: ArrayLike) -> Array:
        return t / step_size


@in_working_precision
def prox_elastic_net(
    w: Float[Array, "..."], step_size: ArrayLike, lam: ArrayLike, gamma: ArrayLike
) -> Float[Array, "..."]:
    r"""The proximal operator of the elastic net.

    .. math:: \frac{\operatorname{sign}(w) \max(|w| - s\lambda, 0)}{1 + s\lambda\gamma}

    Args:
      w: array of any shape.
      step_size: :math:`s \ge 0`.
      lam: strength :math:`\lambda \ge 0`.
      gamma: share of the ridge, :math:`\gamma \ge 0`.

    Returns:
      An array like ``w``.

    References:
      Parikh and Boyd, Proximal algorithms, Foundations and Trends in Optimization 1, 2014.
    """
    c = step_size * lam
    return odd(w, c, lambda t: (t - c) / (1.0 + c * gamma))
