"""The log-sum penalty."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sgl_jax._util.numerics import implicit, in_working_precision, odd
from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax._util.typing import ArrayLike, ScalarOrSchedule
from sgl_jax._util.xla import recomputed
from sgl_jax.penalties._base import NONNEGATIVE, POSITIVE, Range
from sgl_jax.penalties._norm import Curvature, NormPenalty


__all__ = ["LogSum", "prox_log_sum"]


@pytree_dataclass()
class LogSum(NormPenalty):
    r"""The log-sum penalty, which reweighted l1 minimisation approximates.

    .. math:: \phi(t) = \lambda \log(1 + t / \gamma)

    Its prox is :func:`prox_log_sum`.

    At a glance:
      phi: :math:`\lambda \log(1 + t / \gamma)`
      its prox jumps: if :math:`c > \gamma^2`
      large weights lose: :math:`\sim c/w`
      source: Candès and others 2008

    Attributes:
      lam: strength :math:`\lambda \ge 0`, or a schedule.
      gamma: scale, :math:`\gamma > 0`.

    References:
      Candès, Wakin and Boyd, Enhancing sparsity by reweighted l1 minimization, J. Fourier Anal.
      Appl. 14, 2008.
    """

    lam: ScalarOrSchedule
    gamma: ArrayLike = 1.0
    ranges: ClassVar[dict[str, Range]] = {"lam": NONNEGATIVE, "gamma": POSITIVE}
    curvature: ClassVar[Curvature] = "concave"
    half_quadratic: ClassVar[bool] = True

    def phi(self, t: Array) -> Array:
        lam, gamma = (jnp.asarray(value, t.dtype) for value in (self.lam, self.gamma))
        return lam * jnp.log1p(t / gamma)

    def prox_phi(self, t: Array, step_size: ArrayLike) -> Array:
        return prox_log_sum(t, step_size, self.lam, self.gamma)


@in_working_precision
def prox_log_sum(
    w: Float[Array, "..."], step_size: ArrayLike, lam: ArrayLike, gamma: ArrayLike
) -> Float[Array, "..."]:
    r"""The proximal operator of the log-sum penalty.

    With :math:`c = s\lambda` and :math:`t = |w|` it is zero up to :math:`c/\gamma` if
    :math:`c \le \gamma^2`, else up to

    .. math:: \min_{z > 0} \; \frac z2 + \frac{c \log(1 + z/\gamma)}{z},

    and beyond it

    .. math:: \tfrac12 \Bigl(t - \gamma + \sqrt{(t + \gamma)^2 - 4c}\Bigr).

    Args:
      w: array of any shape.
      step_size: :math:`s \ge 0`.
      lam: strength :math:`\lambda \ge 0`.
      gamma: scale, :math:`\gamma > 0`.

    Returns:
      An array like ``w``.

    References:
      Prater-Bennette, Shen and Tripp, The proximity operator of the log-sum penalty, J. Sci.
      Comput. 93, 2022.
    """
    c = step_size * lam
    kappa = c / gamma / gamma
    jump = gamma * jax.lax.stop_gradient(_jump(jnp.maximum(kappa, 1.0)))
    threshold = jnp.where(kappa <= 1.0, c / gamma, jump)
    return odd(w, threshold, lambda t: _root(t, c, gamma))


@implicit(lambda z, t, c, gamma: z - t + c / (gamma + z))
def _root(t, c, gamma):
    """Finds the larger root of ``(z - t) (gamma + z) + c``, for t at or past the threshold."""
    double = 2.0 * jnp.sqrt(c)
    root = jnp.sqrt(jnp.maximum(t + gamma - double, 0.0)) * jnp.sqrt(t + gamma + double)
    ahead = t - gamma
    # One of two forms, so that no nearly equal numbers are subtracted.
    near = 2.0 * (t * gamma - c) / jnp.where(ahead < 0, root - ahead, 1.0)
    far = t - 2.0 * c / (t + gamma + root)
    z = jnp.where((ahead < 0) & (c > 0), near, far)
    return jnp.where(t < jnp.inf, jnp.clip(z, 0.0, t), t)


def _jump(kappa):
    """Minimises ``x / 2 + kappa log1p(x) / x``; an error in x counts by its square."""
    far = jnp.sqrt(kappa * jnp.maximum(jnp.log1p(kappa) - 1.0, 0.1))
    x = recomputed(jnp.maximum(jnp.where(kappa < 3.0, 0.75 * (kappa - 1.0), far), 1e-3))
    for _ in range(3 if kappa.dtype == jnp.float64 else 2):
        # Newton's method for x^2 / 2 = kappa m(x) as x^2 / (2 m(x)) = kappa, nearly linear.
        inverse = 1.0 / (1.0 + x)
        bent = recomputed(jnp.log1p(x) - x * inverse)
        slope = 2.0 * bent - (x * inverse) ** 2
        x = jnp.maximum(x - x * bent * (1.0 - 2.0 * kappa * bent / (x * x)) / slope, 1e-3)
    # Next to 1 the start is better than differences can make it.
    x = recomputed(jnp.where(kappa < 1.0014, jnp.maximum(0.75 * (kappa - 1.0), 1e-9), x))
    return 0.5 * x + kappa * jnp.log1p(x) / x
