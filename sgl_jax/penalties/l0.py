"""The number of nonzeros."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from sgl_jax._util.numerics import in_working_precision, odd
from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax._util.typing import ArrayLike, ScalarOrSchedule
from sgl_jax.penalties._base import NONNEGATIVE, Range
from sgl_jax.penalties._norm import Curvature, NormPenalty


__all__ = ["L0", "prox_l0"]


@pytree_dataclass()
class L0(NormPenalty):
    r"""The number of nonzero entries, or of nonzero groups.

    .. math:: \phi(t) = \lambda \, 1\{t > 0\}

    Its prox is hard thresholding, :func:`prox_l0`. Its derivative is zero wherever
    it exists, so it works by its prox alone.

    At a glance:
      phi: :math:`\lambda 1\{t > 0\}`
      its prox jumps: always
      large weights lose: nothing
      source: Blumensath, Davies 2008

    Attributes:
      lam: strength :math:`\lambda \ge 0`, or a schedule.

    References:
      Blumensath and Davies, Iterative thresholding for sparse approximations, J. Fourier Anal.
      Appl. 14, 2008.
    """

    lam: ScalarOrSchedule
    ranges: ClassVar[dict[str, Range]] = {"lam": NONNEGATIVE}
    has_gradient: ClassVar[bool] = False
    curvature: ClassVar[Curvature] = "concave"
    half_quadratic: ClassVar[bool] = True

    def phi(self, t: Array) -> Array:
        return jnp.asarray(self.lam, t.dtype) * (t > 0).astype(t.dtype)

    def prox_phi(self, t: Array, step_size: ArrayLike) -> Array:
        return prox_l0(t, step_size, self.lam)

    def lam_max_phi(self, t: Array, step_size: ArrayLike) -> Array:
        return 0.5 * t * (t / step_size)

    def slope_phi(self, t: Array) -> Array:
        return jnp.where((t > 0) | (jnp.asarray(self.lam, t.dtype) == 0), 0.0, jnp.inf)


@in_working_precision
def prox_l0(w: Float[Array, "..."], step_size: ArrayLike, lam: ArrayLike) -> Float[Array, "..."]:
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
