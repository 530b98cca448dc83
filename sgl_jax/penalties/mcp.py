"""The minimax concave penalty."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from sgl_jax._util.numerics import in_working_precision, odd
from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax._util.typing import ArrayLike, ScalarOrSchedule
from sgl_jax.penalties._base import NONNEGATIVE, POSITIVE, Range
from sgl_jax.penalties._norm import Curvature, NormPenalty


__all__ = ["MCP", "prox_mcp"]


@pytree_dataclass()
class MCP(NormPenalty):
    r"""The minimax concave penalty.

    .. math::
      \phi(t) = \lambda t - \frac{t^2}{2 \gamma} \;\; (t \le \gamma \lambda), \qquad
      \frac{\gamma \lambda^2}{2} \text{ beyond}

    It is not linear in :math:`\lambda`: its knee moves with it. Its prox is
    :func:`prox_mcp`.

    At a glance:
      phi: :math:`\lambda t - t^2 / 2\gamma`, constant from :math:`\gamma\lambda` on
      its prox jumps: if :math:`s \ge \gamma`
      large weights lose: nothing
      source: Zhang 2010

    Attributes:
      lam: strength :math:`\lambda \ge 0`, or a schedule.
      gamma: shape, :math:`\gamma > 0`.

    References:
      Zhang, Nearly unbiased variable selection under minimax concave penalty, Ann. Statist. 38,
      2010.
    """

    lam: ScalarOrSchedule
    gamma: ArrayLike = 3.0
    ranges: ClassVar[dict[str, Range]] = {"lam": NONNEGATIVE, "gamma": POSITIVE}
    curvature: ClassVar[Curvature] = "concave"
    half_quadratic: ClassVar[bool] = True

    def phi(self, t: Array) -> Array:
        lam, gamma = (jnp.asarray(value, t.dtype) for value in (self.lam, self.gamma))
        rise = jnp.minimum(t, gamma * lam)
        return rise * (lam - 0.5 * rise / gamma)

    def prox_phi(self, t: Array, step_size: ArrayLike) -> Array:
        return prox_mcp(t, step_size, self.lam, self.gamma)

    def lam_max_phi(self, t: Array, step_size: ArrayLike) -> Array:
        gamma = jnp.asarray(self.gamma, t.dtype)
        return t / jnp.where(step_size < gamma, step_size, jnp.sqrt(step_size * gamma))


@in_working_precision
def prox_mcp(
    w: Float[Array, "..."], step_size: ArrayLike, lam: ArrayLike, gamma: ArrayLike
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
