"""The transformed l1 penalty."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array

from sgl_jax._pytree import pytree_dataclass
from sgl_jax._typing import Step, Strength
from sgl_jax.penalties._base import NONNEGATIVE, POSITIVE, NormPenalty, Range
from sgl_jax.prox import prox_transformed_l1


__all__ = ["TransformedL1"]


@pytree_dataclass()
class TransformedL1(NormPenalty):
    r"""The transformed l1 penalty, between l0 and l1.

    .. math:: \phi(t) = \lambda \frac{(a + 1) t}{a + t}

    Its prox is :func:`sgl_jax.prox.prox_transformed_l1`: continuous for steps up to
    :math:`a^2 / (2 \lambda (a + 1))`, with a jump beyond.

    Attributes:
      lam: strength :math:`\lambda \ge 0`, or a schedule.
      a: shape, :math:`a > 0`.

    References:
      Zhang and Xin, Minimization of transformed l1 penalty: closed form representation and
      iterative thresholding algorithms, Comm. Math. Sci. 15(2), 2017, 511-537.
    """

    lam: Strength
    a: Step = 1.0
    ranges: ClassVar[dict[str, Range]] = {"lam": NONNEGATIVE, "a": POSITIVE}

    def phi(self, t: Array) -> Array:
        lam, a = (jnp.asarray(value, t.dtype) for value in (self.lam, self.a))
        return lam * (a + 1.0) * (t / (a + t))

    def prox_phi(self, t: Array, step_size: Step) -> Array:
        return prox_transformed_l1(t, step_size, self.lam, self.a)
