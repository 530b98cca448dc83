"""The lq quasi-norm, 0 < q < 1."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from sgl_jax._util.numerics import implicit, in_working_precision, odd
from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax._util.typing import ArrayLike, ScalarOrSchedule
from sgl_jax._util.xla import recomputed
from sgl_jax.penalties._base import NONNEGATIVE, Range
from sgl_jax.penalties._norm import Curvature, NormPenalty


__all__ = ["Lq", "prox_lq"]


@pytree_dataclass()
class Lq(NormPenalty):
    r"""The q-th powers of the magnitudes, between l0 and l1.

    .. math:: \phi(t) = \lambda t^q

    Its derivative is infinite at zero, where the value here has derivative zero; so it works best
    by its prox, :func:`prox_lq`.

    At a glance:
      phi: :math:`\lambda t^q`
      its prox jumps: always
      large weights lose: :math:`\sim c/w^{1-q}`
      source: Chartrand 2007

    Attributes:
      lam: strength :math:`\lambda \ge 0`, or a schedule.
      q: power, :math:`0 < q < 1`.

    References:
      Chartrand, Exact reconstruction of sparse signals via nonconvex minimization, IEEE Signal
      Process. Lett. 14, 2007.
    """

    lam: ScalarOrSchedule
    q: ArrayLike = 0.5
    ranges: ClassVar[dict[str, Range]] = {
        "lam": NONNEGATIVE,
        "q": Range("in (0, 1)", lambda value: (value > 0) & (value < 1)),
    }
    curvature: ClassVar[Curvature] = "concave"
    half_quadratic: ClassVar[bool] = True

    def phi(self, t: Array) -> Array:
        lam, q = (jnp.asarray(value, t.dtype) for value in (self.lam, self.q))
        ordinary = (t > 0) & (t < jnp.inf)
        return lam * jnp.where(ordinary, _raised(jnp.where(ordinary, t, 1.0), q), t)

    def prox_phi(self, t: Array, step_size: ArrayLike) -> Array:
        return prox_lq(t, step_size, self.lam, self.q)

    def lam_max_phi(self, t: Array, step_size: ArrayLike) -> Array:
        # The threshold is h (2 - q) / (2 (1 - q)) with h = (2 c (1 - q))^(1 / (2 - q)).
        q = jnp.asarray(self.q, t.dtype)
        height = t * (2.0 * (1.0 - q) / (2.0 - q))
        return height * (height ** (1.0 - q) / (2.0 * (1.0 - q))) / step_size

    def slope_phi(self, t: Array) -> Array:
        at_zero = jnp.where(jnp.asarray(self.lam, t.dtype) == 0, 0.0, jnp.inf)
        return jnp.where(t > 0, super().slope_phi(t), at_zero)


@in_working_precision
def prox_lq(
    w: Float[Array, "..."], step_size: ArrayLike, lam: ArrayLike, q: ArrayLike
) -> Float[Array, "..."]:
    r"""The proximal operator of :math:`\lambda |z|^q`.

    With :math:`c = s\lambda` and the height of the jump
    :math:`h = (2 c (1 - q))^{1/(2-q)}` it is zero up to :math:`h (2 - q) / (2 (1 - q))`, and
    beyond it the largest root of

    .. math:: z - |w| + c\,q\,z^{q-1},

    at least :math:`h`. In units of :math:`h` it is simple, with a slope of at least
    :math:`1 - q/2`, and one step of Householder's third-order method from a rational start finds
    it to the last digit of float32, for every q. The closed forms known for q = 1/2 and 2/3 say
    the same; their cosines cost more than the one power here.

    Args:
      w: array of any shape.
      step_size: :math:`s \ge 0`.
      lam: strength :math:`\lambda \ge 0`.
      q: power, :math:`0 < q < 1`.

    Returns:
      An array like ``w``.

    References:
      Marjanovic and Solo, On lq optimization and matrix completion, IEEE Trans. Signal Process.
      60, 2012; for q = 1/2 and 2/3 also Xu, Chang, Xu and Zhang, IEEE Trans. Neural Netw. Learn.
      Syst. 23, 2012, and Cao, Sun and Xu, J. Vis. Commun. Image Represent. 24, 2013.
    """
    c = step_size * lam
    safe = recomputed(jnp.where(c > 0, c, 1.0))
    # Two units up, so that no tie is missed by the rounding of the power.
    unit = 1.0 + 2.0 * jnp.finfo(w.dtype).eps
    height = unit / _power(lax.stop_gradient(2.0 * safe * (1.0 - q)), -1.0 / (2.0 - q))
    height = recomputed(lax.stop_gradient(height))
    threshold = jnp.where(c > 0, height * (2.0 - q) / (2.0 * (1.0 - q)), 0.0)
    return odd(w, threshold, lambda t: jnp.where(c > 0, _root(t, safe, q, height), t))


@implicit(lambda z, t, c, q, height: z - t + c * q * z ** (q - 1.0))
def _root(t, c, q, height):
    """Finds the largest root; in units of ``height`` that of ``u - x + pull u^(q - 1)``, >= 1."""
    inverse = 1.0 / height
    x, pull = recomputed(t * inverse), recomputed(c * q * inverse / _power(height, 1.0 - q))
    u = jnp.maximum(_start(jnp.maximum(x - (1.0 + pull), 0.0), q), 1.0)
    for _ in range(2 if t.dtype == jnp.float64 else 1):
        power, inverse = pull * _power(u, q - 1.0), 1.0 / u
        bend = (1.0 - q) * power * inverse
        value, slope = u - x + power, 1.0 - bend
        # Householder's third-order step; the second derivative over 2, the third over 6.
        second = 0.5 * (2.0 - q) * bend * inverse
        third = ((q - 3.0) / 3.0) * second * inverse
        halley, square = slope * slope - value * second, value * value
        step = value * halley / (slope * (halley - value * second) + square * third)
        u = jnp.maximum(u - step, 1.0)
    # Entries that the prox sets to zero stay away from it here: the power has no derivative there.
    z = jnp.maximum(jnp.minimum(height * u, t), 0.5 * height)
    return jnp.where(x < jnp.inf, z, t)


def _start(ahead, q):
    """Approximates the root to 4 %; exact in value, slope and bend at the jump, and at infinity."""
    near = jnp.minimum(ahead, 1e15)  # its square is a number
    a, b = 0.15, 1.0 / (2.0 - q)
    bottom = 1.0 + near * (a / b + 2.0 * b + 2.0 * a * (1.0 - q) * near)
    return 1.0 + ahead + q * near * (b + a * near) / bottom


@jax.custom_jvp
def _raised(t, q):
    """Computes ``t ** q`` for ``t > 0``, with its derivatives."""
    return _power(t, q)


@_raised.defjvp
def _raised_jvp(primals, tangents):
    (t, q), (t_dot, q_dot) = primals, tangents
    power = _raised(t, q)
    return power, power * (q * t_dot / t + jnp.log(t) * q_dot)


def _power(base, exponent):
    """Computes ``base ** exponent`` for positive bases and exponents in (-1, 1).

    In float32 by polynomials: with ``base = mantissa * 2**octave`` it is
    ``2 ** (exponent * (octave + log2(mantissa)))``. It is right to two units in the last place, at
    an eighth of the cost of ``**``.
    """
    if base.dtype == jnp.float64:
        return base**exponent
    octave, mantissa = _split(base)
    # exponent * octave is exact for the leading bits of the exponent; the rest is small.
    head = lax.reduce_precision(exponent, 8, 11)
    tail = octave * (exponent - head) + _log2(mantissa) * exponent
    whole = jnp.clip(jnp.round(octave * head + tail), -126.0, 127.0)
    return _exp2(whole, (octave * head - whole) + tail)


def _split(base):
    """Splits float32 numbers into powers of two and mantissas in [sqrt(1/2), sqrt(2))."""
    bits = lax.bitcast_convert_type(base, jnp.int32)
    octave = (bits - 0x3F3504F3) >> 23  # the bits of sqrt(1/2)
    mantissa = lax.bitcast_convert_type(bits - (octave << 23), jnp.float32)
    return octave.astype(jnp.float32), mantissa


def _log2(mantissa):
    """Computes the logarithm of mantissas, an odd polynomial in s = (m - 1) / (m + 1)."""
    s = (mantissa - 1.0) * (1.0 / (mantissa + 1.0))
    square = s * s
    return s * (2.88539042 + square * (0.96158842 + 0.59577807 * square))


def _exp2(whole, rest):
    """Computes ``2 ** (whole + rest)`` for whole numbers and a rest of at most 1/2."""
    square = rest * rest
    high = 0.24022122 + 0.05550743 * rest + square * (0.00967546 + 0.0013267 * rest)
    bits = lax.bitcast_convert_type(1.00000007 + 0.69314695 * rest + square * high, jnp.int32)
    return lax.bitcast_convert_type(bits + (whole.astype(jnp.int32) << 23), jnp.float32)
