"""The exponential-type penalty."""

import functools
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


__all__ = ["ETP", "prox_etp"]


@pytree_dataclass()
class ETP(NormPenalty):
    r"""The exponential-type penalty, between l1 and l0.

    .. math:: \phi(t) = \lambda \frac{1 - e^{-\gamma t}}{1 - e^{-\gamma}}

    Its prox is :func:`prox_etp`.

    At a glance:
      phi: :math:`\lambda (1 - e^{-\gamma t}) / (1 - e^{-\gamma})`
      its prox jumps: if :math:`c > (1 - e^{-\gamma}) / \gamma^2`
      large weights lose: :math:`\sim c\,e^{-\gamma w}`
      source: Gao and others 2011

    Attributes:
      lam: strength :math:`\lambda \ge 0`, or a schedule.
      gamma: rate, :math:`\gamma > 0`; towards 0 the penalty becomes l1, towards infinity l0.

    References:
      Gao, Wang, Yao, Li and Nie, A feasible nonconvex relaxation approach to feature selection,
      AAAI 2011.
    """

    lam: ScalarOrSchedule
    gamma: ArrayLike = 1.0
    ranges: ClassVar[dict[str, Range]] = {"lam": NONNEGATIVE, "gamma": POSITIVE}
    curvature: ClassVar[Curvature] = "concave"
    half_quadratic: ClassVar[bool] = True

    def phi(self, t: Array) -> Array:
        lam, gamma = (jnp.asarray(value, t.dtype) for value in (self.lam, self.gamma))
        return lam * (jnp.expm1(-gamma * t) / jnp.expm1(-gamma))

    def prox_phi(self, t: Array, step_size: ArrayLike) -> Array:
        return prox_etp(t, step_size, self.lam, self.gamma)


@in_working_precision
def prox_etp(
    w: Float[Array, "..."], step_size: ArrayLike, lam: ArrayLike, gamma: ArrayLike
) -> Float[Array, "..."]:
    r"""The proximal operator of the exponential-type penalty.

    With :math:`c = s\lambda / (1 - e^{-\gamma})` and :math:`t = |w|` it is zero up to
    :math:`c\gamma` if :math:`c\gamma^2 \le 1`, else up to

    .. math:: \min_{z > 0} \; \frac z2 + \frac{c (1 - e^{-\gamma z})}{z},

    and beyond it, with the principal branch of Lambert's function,

    .. math:: t + \frac1\gamma W_0\bigl(-c\gamma^2 e^{-\gamma t}\bigr),

    the largest root of :math:`z - t + c\gamma e^{-\gamma z}`.

    Args:
      w: array of any shape.
      step_size: :math:`s \ge 0`.
      lam: strength :math:`\lambda \ge 0`.
      gamma: rate, :math:`\gamma > 0`.

    Returns:
      An array like ``w``.

    References:
      Gao, Wang, Yao, Li and Nie, A feasible nonconvex relaxation approach to feature selection,
      AAAI 2011.
    """
    c = step_size * lam / -jnp.expm1(-gamma)
    a = c * gamma * gamma
    jump = jax.lax.stop_gradient(_jump(jnp.maximum(a, 1.0), gamma))
    threshold = jnp.where(a <= 1.0, c * gamma, jump)
    return odd(w, threshold, lambda t: _root(t, c, gamma))


# 1 / s as a polynomial in p, with errors of at most 0.4 % of min(p, 1).
_SHARE = (0.58783, -0.61699, 0.64043, 2 / 3, 1.0, 1.0)


@implicit(lambda z, t, c, gamma: z - t + c * gamma * jnp.exp(-gamma * z))
def _root(t, c, gamma):
    """Finds the largest root, from ``s - 1 - log(s) = p^2 / 2`` for ``s = gamma (t - z) <= 1``."""
    a = recomputed(c * gamma * gamma)
    x = recomputed(gamma * t)
    ahead = x - 1.0 - jnp.log(a)
    p = jnp.sqrt(2.0 * jnp.clip(ahead, 0.0, 50.0))
    # At most a, and all its digits where a is small.
    s = jnp.minimum(recomputed(1.0 / _polynomial(_SHARE, p)), a)
    for _ in range(2 if t.dtype == jnp.float64 else 1):
        # Halley's step for a exp(s - x) = s; its slope is zero where the root is double.
        pull = recomputed(a * jnp.exp(s - x))
        slope = jnp.where(pull < 1.0, 1.0 - pull, 1.0)
        newton = (pull - s) / slope
        s = recomputed(s + newton / (1.0 - 0.5 * newton * pull / slope))
    return jnp.where(t < jnp.inf, jnp.clip(t - s / gamma, 0.0, t), t)


# x / sqrt(a) as a polynomial in 1 - 1 / sqrt(a), with errors of at most 0.06 %.
_MINIMISER = (2.420026, -4.456756, 2.529632, -0.989172, -1.08602, 3.000986, 0.0)


def _jump(a, gamma):
    """Minimises ``(x / 2 + a (1 - exp(-x)) / x) / gamma``; an error in x counts by its square."""
    root = recomputed(jnp.sqrt(a))
    x = recomputed(root * _polynomial(_MINIMISER, 1.0 - 1.0 / root))
    double = a.dtype == jnp.float64
    smallest = 1e-5 if double else 1e-2
    for _ in range(2 if double else 1):
        # Newton's method for x / sqrt(2 m(x)) = sqrt(a), nearly linear; digits of m cancel at 0.
        safe = jnp.maximum(x, smallest)
        tail = recomputed(jnp.exp(-safe))
        bent = recomputed(-jnp.expm1(-safe) - safe * tail)
        curve = recomputed(safe / jnp.sqrt(2.0 * bent))
        slope = curve * (1.0 / safe - 0.5 * safe * tail / bent)
        x = recomputed(jnp.where(x > smallest, safe - (curve - root) / slope, x))
    x = jnp.maximum(x, jnp.finfo(a.dtype).eps ** 0.5)
    return (0.5 * x * x - a * jnp.expm1(-x)) / (gamma * x)


def _polynomial(coefficients, x):
    """Evaluates a polynomial, its coefficients from the highest power on."""
    return functools.reduce(lambda total, coefficient: total * x + coefficient, coefficients)
