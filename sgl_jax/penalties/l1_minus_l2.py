"""The difference of the l1 and l2 norms."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sgl_jax._numerics import in_working_precision, magnitude, odd
from sgl_jax._pytree import pytree_dataclass
from sgl_jax._typing import Step, Strength
from sgl_jax.groupings import Grouping, by_layer
from sgl_jax.groups import Group
from sgl_jax.penalties._base import NONNEGATIVE, Range, VectorPenalty


__all__ = ["L1MinusL2", "prox_l1_minus_l2"]


@pytree_dataclass()
class L1MinusL2(VectorPenalty):
    r"""The l1 norm less a share of the l2 norm, of each group.

    .. math:: \lambda (\|w\|_1 - \alpha \|w\|_2)

    As in the paper, a group is a whole layer unless another grouping is given; on single entries
    with :math:`\alpha = 1` it vanishes. Its prox is :func:`prox_l1_minus_l2`.

    Attributes:
      lam: strength :math:`\lambda \ge 0`, or a schedule.
      alpha: share, :math:`0 \le \alpha \le 1`.

    References:
      Lou and Yan, Fast l1-l2 minimization via a proximal operator, J. Sci. Comput. 74, 2018,
      767-785.
    """

    lam: Strength
    alpha: Step = 1.0
    ranges: ClassVar[dict[str, Range]] = {
        "lam": NONNEGATIVE,
        "alpha": Range("in [0, 1]", lambda value: (value >= 0) & (value <= 1)),
    }
    default_grouping: ClassVar[Grouping] = by_layer()

    def vector_value(self, w: Array) -> Array:
        lam, alpha = (jnp.asarray(value, w.dtype) for value in (self.lam, self.alpha))
        whole = Group.of_array(w.shape, tuple(range(w.ndim)))
        return lam * (jnp.sum(magnitude(w)) - alpha * whole.norm([w]).reshape(()))

    def vector_prox(self, w: Array, step_size: Array) -> Array:
        return prox_l1_minus_l2(w, step_size, self.lam, self.alpha)


@in_working_precision
def prox_l1_minus_l2(
    w: Float[Array, "..."], step_size: Step, lam: Step, alpha: Step
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
    c = step_size * lam
    size = jnp.abs(w)
    peak = jnp.max(size, initial=0.0)
    soft = odd(w, c, lambda t: t - c)
    several = peak > c
    scale = jax.lax.stop_gradient(jnp.where(several & (peak < jnp.inf), peak - c, 1.0))
    scaled = soft / scale
    squares = jnp.sum(scaled**2)
    unit = jnp.where(squares < jnp.inf, scaled / jnp.sqrt(jnp.where(several, squares, 1.0)), 0.0)
    first = _first(size == peak) | jnp.isnan(w)
    lone = jnp.where(first, odd(w, (1.0 - alpha) * c, lambda t: t - (1.0 - alpha) * c), 0.0)
    return jnp.where(several | (c <= 0), soft + alpha * c * unit, lone)


def _first(mask: Array) -> Array:
    """The first entry of a mask that is set, as a mask; no reshape, so any sharding will do."""
    positions = [jax.lax.broadcasted_iota(jnp.int32, mask.shape, k) for k in range(mask.ndim)]
    index = jnp.zeros(mask.shape, jnp.int32)
    for position, size in zip(positions, mask.shape, strict=True):
        index = index * size + position
    return mask & (index == jnp.min(jnp.where(mask, index, mask.size), initial=mask.size))
