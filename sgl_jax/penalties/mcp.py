"""The minimax concave penalty."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array

from sgl_jax._pytree import pytree_dataclass
from sgl_jax._typing import Step, Strength
from sgl_jax.penalties._base import NONNEGATIVE, POSITIVE, NormPenalty, Range
from sgl_jax.prox import prox_mcp


__all__ = ["MCP"]


@pytree_dataclass()
class MCP(NormPenalty):
    r"""The minimax concave penalty.

    .. math::
      \phi(t) = \lambda t - \frac{t^2}{2 \gamma} \;\; (t \le \gamma \lambda), \qquad
      \frac{\gamma \lambda^2}{2} \text{ beyond}

    It is not linear in :math:`\lambda`: its knee moves with it. Its prox is
    :func:`sgl_jax.prox.prox_mcp`.

    Attributes:
      lam: strength :math:`\lambda \ge 0`, or a schedule.
      gamma: shape, :math:`\gamma > 0`.

    References:
      Zhang, Nearly unbiased variable selection under minimax concave penalty, Ann. Statist. 38,
      2010.
    """

    lam: Strength
    gamma: Step = 3.0
    ranges: ClassVar[dict[str, Range]] = {"lam": NONNEGATIVE, "gamma": POSITIVE}

    def phi(self, t: Array) -> Array:
        lam, gamma = (jnp.asarray(value, t.dtype) for value in (self.lam, self.gamma))
        rise = jnp.minimum(t, gamma * lam)
        return rise * (lam - 0.5 * rise / gamma)

    def prox_phi(self, t: Array, step_size: Step) -> Array:
        return prox_mcp(t, step_size, self.lam, self.gamma)
