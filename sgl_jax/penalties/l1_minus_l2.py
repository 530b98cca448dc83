"""The difference of the l1 and l2 norms."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array

from sgl_jax._numerics import magnitude
from sgl_jax._pytree import pytree_dataclass
from sgl_jax._typing import Step, Strength
from sgl_jax.groupings import Grouping, by_layer
from sgl_jax.groups import Group
from sgl_jax.penalties._base import NONNEGATIVE, Range, VectorPenalty
from sgl_jax.prox import prox_l1_minus_l2


__all__ = ["L1MinusL2"]


@pytree_dataclass()
class L1MinusL2(VectorPenalty):
    r"""The l1 norm less a share of the l2 norm, of each group.

    .. math:: \lambda (\|w\|_1 - \alpha \|w\|_2)

    As in the paper, a group is a whole layer unless another grouping is given; on single entries
    with :math:`\alpha = 1` it vanishes. Its prox is :func:`sgl_jax.prox.prox_l1_minus_l2`.

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
