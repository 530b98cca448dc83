"""The smoothly clipped absolute deviation penalty."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array

from sgl_jax._pytree import pytree_dataclass
from sgl_jax._typing import Step, Strength
from sgl_jax.penalties._base import NONNEGATIVE, NormPenalty, Range
from sgl_jax.prox import prox_scad


__all__ = ["SCAD"]


@pytree_dataclass()
class SCAD(NormPenalty):
    r"""The smoothly clipped absolute deviation.

    .. math::
      \phi(t) = \lambda t \;\; (t \le \lambda), \qquad
      \frac{2 a \lambda t - t^2 - \lambda^2}{2 (a - 1)} \;\; (t \le a \lambda), \qquad
      \frac{\lambda^2 (a + 1)}{2} \text{ beyond}

    It is not linear in :math:`\lambda`: its knees move with it. In the paper's splitting the
    penalty of ``v`` is :math:`\beta` times SCAD of strength :math:`\lambda / \beta`
    (:meth:`rescaled`). Its prox is :func:`sgl_jax.prox.prox_scad`.

    Attributes:
      lam: strength :math:`\lambda \ge 0`, or a schedule.
      a: shape, :math:`a > 2`.

    References:
      Fan and Li, Variable selection via nonconcave penalized likelihood, JASA 96, 2001.
    """

    lam: Strength
    a: Step = 3.7
    ranges: ClassVar[dict[str, Range]] = {
        "lam": NONNEGATIVE,
        "a": Range("> 2", lambda value: value > 2),
    }

    def phi(self, t: Array) -> Array:
        lam, a = (jnp.asarray(value, t.dtype) for value in (self.lam, self.a))
        rise = jnp.minimum(t, lam)
        bend = jnp.clip(t, lam, a * lam) - lam
        return lam * rise + bend * (lam - 0.5 * bend / (a - 1.0))

    def prox_phi(self, t: Array, step_size: Step) -> Array:
        return prox_scad(t, step_size, self.lam, self.a)
