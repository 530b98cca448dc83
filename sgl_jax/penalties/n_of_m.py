"""A bound on the number of nonzero entries among m neighbours, for sparse tensor cores."""

import numbers
from collections.abc import Mapping, Sequence
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from sgl_jax._util.narrowing import LeafPlan
from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax._util.sharding import in_one_piece
from sgl_jax._util.typing import Path
from sgl_jax.groups import GroupFamily, Grouping, by_input_fibre
from sgl_jax.penalties._constraint import Constraint, kept_entries, ranks


__all__ = ["NofM", "project_n_of_m"]


@pytree_dataclass(static=("n", "m"))
class NofM(Constraint):
    r"""Among m consecutive inputs at most n have a weight that is not zero, for every output.

    .. math:: \|(w_{jm}, \dots, w_{jm + m - 1})\|_0 \le n

    A group is a fibre along the input axis, :func:`~sgl_jax.by_input_fibre`, whose length is a
    multiple of m. Its prox is :func:`project_n_of_m`.

    At a glance:
      what it demands: at most n of m neighbours along the input axis are not zero: 2:4 sparsity

    Attributes:
      n: number of entries that may be nonzero, :math:`0 \le n \le m`.
      m: number of neighbours, :math:`m \ge 1`.

    References:
      Zhou et al., Learning N:M fine-grained structured sparse neural networks from scratch,
      ICLR 2021.
    """

    n: int = 2
    m: int = 4
    default_grouping: ClassVar[Grouping] = by_input_fibre()

    def __post_init__(self):
        whole = all(isinstance(number, numbers.Integral) for number in (self.n, self.m))
        if not whole or not 0 <= self.n <= self.m or self.m < 1:
            raise ValueError(
                f"NofM needs integers 0 <= n <= m with m >= 1, got n={self.n!r}, m={self.m!r}."
            )

    def project(
        self, parts: Sequence[Array], family: GroupFamily, metrics: Sequence[Array] | None = None
    ) -> list[Array]:
        """Keeps the n largest magnitudes of every m neighbours; in a metric the largest d w^2."""
        axis = self._axis(family)
        (rank,) = ranks(parts, family, metrics)
        return kept_entries(parts, [_leading(rank, axis, self.n, self.m)])

    def restricted(self, families: Sequence[GroupFamily], kept: Mapping[Path, LeafPlan]) -> "NofM":
        """Returns the constraint itself, if whole blocks of m neighbours are removed, or none.

        Raises:
          ValueError: neighbours would be others among the inputs that are left.
        """
        for family in families:
            path, axis = family.members[0].path, self._axis(family)
            left = kept[path].kept[axis]
            mixed = any(order.axis == axis for order in kept[path].orders)
            if mixed or (left and set(np.bincount(np.asarray(left) // self.m)) - {0, self.m}):
                raise ValueError(
                    f"NofM needs inputs that are removed in whole blocks of m={self.m} neighbours, "
                    f"got single ones removed from {path!r}; compact with protect={path!r}."
                )
        return self

    def _axis(self, family: GroupFamily) -> int:
        """The one axis of the fibres, of a length that m divides."""
        member = family.members[0]
        if not family.plain or len(member.axes) != 1:
            raise ValueError(
                f"NofM needs groups that are fibres along one axis, got groups over the axes "
                f"{member.axes} of {member.path!r}; use by_input_fibre()."
            )
        (axis,) = member.axes
        if member.shape[axis] % self.m:
            raise ValueError(
                f"NofM needs an input axis that m={self.m} divides, got length "
                f"{member.shape[axis]} in {member.path!r}; leave it out with skip=."
            )
        return axis


def _leading(rank: Array, axis: int, n: int, m: int) -> Array:
    """Marks the n highest ranks of every m neighbours, of equal ones the first."""
    rank, shape = in_one_piece(rank, [axis]), rank.shape
    blocks = rank.reshape(*shape[:axis], shape[axis] // m, m, *shape[axis + 1 :])
    place = lax.broadcasted_iota(jnp.int32, blocks.shape, axis + 1)
    ahead = jnp.zeros(blocks.shape, jnp.int32)
    for number in range(m):
        other = lax.slice_in_dim(blocks, number, number + 1, axis=axis + 1)
        before = (other > blocks) | ((other == blocks) & (number < place))
        ahead = ahead + before.astype(jnp.int32)
    return (ahead < n).reshape(shape)


def project_n_of_m(
    w: Float[Array, "..."], n: int = 2, m: int = 4, axis: int = 0
) -> Float[Array, "..."]:
    r"""The nearest array with at most n entries that are not zero among m neighbours on an axis.

    .. math::
      \arg\min_z \|z - w\|_2 \;\; \text{such that} \;\; \|(z_{jm}, \dots, z_{jm + m - 1})\|_0 \le n

    The n largest of every m are kept, of equal magnitudes the first. Entries that are not finite
    stay, and count nothing.

    Args:
      w: array of at least one axis.
      n: number of entries that may be nonzero, :math:`0 \le n \le m`.
      m: number of neighbours, :math:`m \ge 1`; a divisor of the length of the axis.
      axis: the axis on which neighbours are counted; that of the inputs in a dense kernel.

    Returns:
      An array like ``w``.

    References:
      Zhou et al., Learning N:M fine-grained structured sparse neural networks from scratch,
      ICLR 2021.
    """
    return NofM(n, m).project([w], GroupFamily.of_array(w.shape, (axis,)))[0]
