"""The difference of the l1 and l2 norms."""

from collections.abc import Sequence
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sgl_jax._util.numerics import in_working_precision, magnitude, odd, power_of_two, ratio
from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax._util.typing import ArrayLike, ScalarOrSchedule
from sgl_jax._util.xla import maximum_ready
from sgl_jax.groups import GroupFamily, Grouping, by_layer
from sgl_jax.penalties._base import NONNEGATIVE, Range
from sgl_jax.penalties._vector import VectorPenalty
from sgl_jax.penalties.l1 import prox_l1


__all__ = ["L1MinusL2", "prox_l1_minus_l2"]


@pytree_dataclass()
class L1MinusL2(VectorPenalty):
    r"""The l1 norm less a share of the l2 norm, of each group.

    .. math:: \lambda (\|w\|_1 - \alpha \|w\|_2)

    As in the paper, a group is a whole layer unless another grouping is given; on single entries
    with :math:`\alpha = 1` it vanishes. Its prox is :func:`prox_l1_minus_l2`.

    At a glance:
      phi: :math:`\lambda (\lVert w \rVert_1 - \alpha \lVert w \rVert_2)` of a whole layer
      its prox jumps: at a tie of the largest
      large weights lose: up to :math:`c`
      source: Lou, Yan 2018

    Attributes:
      lam: strength :math:`\lambda \ge 0`, or a schedule.
      alpha: share, :math:`0 \le \alpha \le 1`.

    References:
      Lou and Yan, Fast l1-l2 minimization via a proximal operator, J. Sci. Comput. 74, 2018,
      767-785.
    """

    lam: ScalarOrSchedule
    alpha: ArrayLike = 1.0
    ranges: ClassVar[dict[str, Range]] = {
        "lam": NONNEGATIVE,
        "alpha": Range("in [0, 1]", lambda value: (value >= 0) & (value <= 1)),
    }
    default_grouping: ClassVar[Grouping] = by_layer()

    def vector_value(self, w: Array) -> Array:
        return self.values([w], GroupFamily.whole(w.shape)).reshape(())

    def vector_prox(self, w: Array, step_size: Array) -> Array:
        return prox_l1_minus_l2(w, step_size, self.lam, self.alpha)

    def vector_lam_max(self, w: Array, step_size: Array) -> Array:
        alpha = jnp.asarray(self.alpha, w.dtype)
        rest = jnp.max(jnp.abs(w)) / step_size
        return jnp.where(alpha < 1, rest / jnp.where(alpha < 1, 1.0 - alpha, 1.0), jnp.inf)

    def vector_residual(self, w: Array, grad: Array, weight: Array) -> Array:
        lam, alpha = (jnp.asarray(value, w.dtype) for value in (self.lam, self.alpha))
        # At zero the regular subgradients are those of (1 - alpha) |w|_1.
        slope, norm = weight * lam, GroupFamily.whole(w.shape).norm([w]).reshape(())
        at_zero = prox_l1(grad, 1.0, slope * jnp.where(norm > 0, 1.0, 1.0 - alpha))
        outward = jnp.sign(w) - alpha * w / jnp.where(norm > 0, norm, 1.0)
        return jnp.where(w == 0, at_zero, grad + slope * outward)

    def values(self, parts: Sequence[Array], family: GroupFamily) -> Array:
        lam, alpha = (jnp.asarray(value, parts[0].dtype) for value in (self.lam, self.alpha))
        return lam * (family.sum([magnitude(part) for part in parts]) - alpha * family.norm(parts))

    def shrunk(self, parts: Sequence[Array], step_size: Array, family: GroupFamily) -> list[Array]:
        lam, alpha = (jnp.asarray(value, step_size.dtype) for value in (self.lam, self.alpha))
        return _shrunk(parts, step_size * lam, alpha, family)


@in_working_precision
def prox_l1_minus_l2(
    w: Float[Array, "..."], step_size: ArrayLike, lam: ArrayLike, alpha: ArrayLike
) -> Float[Array, "..."]:
    r"""The proximal operator of :math:`\lambda (\|z\|_1 - \alpha \|z\|_2)`, all of ``w`` one group.

    With :math:`c = s\lambda`, :math:`m = \max_i |w_i|` and :math:`u` the soft thresholding of
    :math:`w` at :math:`c`:

    .. math::
      u \, (\|u\|_2 + \alpha c) / \|u\|_2 \;\; (m > c), \qquad
      \operatorname{sign}(w_i)\, (m - (1 - \alpha) c)_+ \, e_i \;\; (m \le c)

    with :math:`i` the first index of largest magnitude.

    Args:
      w: array of any shape.
      step_size: :math:`s \ge 0`, a scalar.
      lam: strength :math:`\lambda \ge 0`, a scalar.
      alpha: :math:`0 \le \alpha \le 1`, a scalar; 0 is soft thresholding.

    Returns:
      An array like ``w``.

    References:
      Lou and Yan, Fast l1-l2 minimization via a proximal operator, J. Sci. Comput. 74, 2018,
      767-785.
    """
    c = jnp.multiply(step_size, lam)
    return _shrunk([w], c, jnp.asarray(alpha), GroupFamily.whole(w.shape))[0]


def _shrunk(parts: Sequence[Array], c: Array, alpha: Array, family: GroupFamily) -> list[Array]:
    """Computes the prox of every group of a family; ``c`` is a number or per group."""
    peak = family.max(jax.lax.stop_gradient([maximum_ready(w) for w in parts]))
    several = peak - c > 0
    unit = power_of_two(peak - jax.lax.stop_gradient(c))
    squares = family.sum(family.each(_square_beyond, parts, c / unit, 1.0 / unit))
    ordinary = several & (squares < jnp.inf)
    norm = unit * jnp.sqrt(jnp.where(ordinary, squares, 1.0))
    factor = 1.0 + jnp.where(ordinary, ratio(alpha * c, norm), 0.0)
    several |= c <= 0
    first = _first(parts, peak, several, family)

    def chosen(w, c, factor, several, at, first, low):
        soft = odd(w, c, lambda t: t - c) * factor
        lone = odd(w, low, lambda t: t - low)
        return jnp.where(several, soft, jnp.where((at == first) | jnp.isnan(w), lone, 0.0))

    low = (1.0 - alpha) * c
    return family.each(chosen, parts, c, factor, several, family.positions, first, low)


def _square_beyond(w: Array, c: Array, inverse: Array) -> Array:
    """Squares the soft thresholding of w, in the unit of c, a power of two."""
    return jnp.square(jnp.maximum(jnp.abs(w * inverse), c) - c)


def _first(parts: Sequence[Array], peak: Array, several: Array, family: GroupFamily) -> Array:
    """Finds the first largest entry of each group, unless ``several`` says that none is needed."""
    return jax.lax.cond(
        jnp.all(several),
        lambda: jnp.zeros_like(peak, jnp.int32),
        lambda: family.first(family.each(lambda w, peak: jnp.abs(w) == peak, parts, peak)),
    )
