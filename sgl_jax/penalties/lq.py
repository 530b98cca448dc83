"""The lq quasi-norm, 0 < q < 1."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from sgl_jax._numerics import implicit, in_working_precision, odd
from sgl_jax._pytree import pytree_dataclass
from sgl_jax._typing import Step, Strength
from sgl_jax.penalties._base import NONNEGATIVE, NormPenalty, Range


__all__ = ["Lq", "prox_lq"]


@pytree_dataclass()
class Lq(NormPenalty):
    r"""The q-th powers of the magnitudes, between l0 and l1.

    .. math:: \phi(t) = \lambda t^q

    Its derivative is infinite at zero, where the value here has derivative zero; so it works best
    by its prox, :func:`prox_lq`.

    Attributes:
      lam: strength :math:`\lambda \ge 0`, or a schedule.
      q: power, :math:`0 < q < 1`.

    References:
      Chartrand, Exact reconstruction of sparse signals via nonconvex minimization, IEEE Signal
      Process. Lett. 14, 2007.
    """

    lam: Strength
    q: Step = 0.5
    ranges: ClassVar[dict[str, Range]] = {
        "lam": NONNEGATIVE,
        "q": Range("in (0, 1)", lambda value: (value > 0) & (value < 1)),
    }

    def phi(self, t: Array) -> Array:
        lam, q = (jnp.asarray(value, t.dtype) for value in (self.lam, self.q))
        return lam * jnp.where(t > 0, jnp.where(t > 0, t, 1.0) ** q, 0.0)

    def prox_phi(self, t: Array, step_size: Step) -> Array:
        return prox_lq(t, step_size, self.lam, self.q)


@in_working_precision
def prox_lq(w: Float[Array, "..."], step_size: Step, lam: Step, q: Step) -> Float[Array, "..."]:
    r"""The proximal operator of :math:`\lambda |z|^q`.

    With :math:`c = s\lambda` and the height of the jump
    :math:`h = (2 c (1 - q))^{1/(2-q)}` it is zero up to :math:`h (2 - q) / (2 (1 - q))`, and
    beyond it the largest root of

    .. math:: z - |w| + c\,q\,z^{q-1},

    at least :math:`h`. It is found by Newton's method in units of :math:`h`, where it is simple:
    its slope is at least :math:`1 - q/2`.

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
    safe = jnp.where(c > 0, c, 1.0)
    height = (2.0 * safe * (1.0 - q)) ** (1.0 / (2.0 - q))
    threshold = jnp.where(c > 0, height * (2.0 - q) / (2.0 * (1.0 - q)), 0.0)
    return odd(w, threshold, lambda t: jnp.where(c > 0, _root(t, safe, q, height), t))


@implicit(lambda z, t, c, q, height: z - t + c * q * z ** (q - 1.0))
def _root(t, c, q, height):
    """The largest root, from the right, where Newton's method falls towards it."""
    inputs, pull = t / height, q / (2.0 * (1.0 - q))
    u = jnp.maximum(inputs, 1.0)
    for _ in range(7 if t.dtype == jnp.float64 else 5):
        bend = pull * u ** (q - 1.0)
        u = jnp.maximum((inputs - bend * (2.0 - q)) / (1.0 - (1.0 - q) * bend / u), 1.0)
    # Large inputs keep their digits; dead ones stay away from zero, where the power has none.
    z = jnp.maximum(t - height * pull * u ** (q - 1.0), 0.5 * height)
    return jnp.where(inputs < jnp.inf, z, t)
