"""A bound on the number of nonzero entries of a group."""

import numbers
from collections.abc import Sequence
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax.groups import GroupFamily, Grouping, by_layer
from sgl_jax.penalties._constraint import Constraint, kept_entries, ranks


__all__ = ["TopK", "project_top_k"]


@pytree_dataclass(static=("k",))
class TopK(Constraint):
    r"""At most k entries of a group are not zero.

    .. math:: \|w\|_0 \le k

    A group is a whole layer unless another grouping is given; with :func:`~sgl_jax.by_tree` the
    layers share. Its prox is :func:`project_top_k`.

    At a glance:
      what it demands: at most k entries of a layer, or a share of them, are not zero; of the
        network with ``by_tree()``

    Attributes:
      k: an int :math:`\ge 0`, or a float in [0, 1]: the share of the entries, rounded down.

    References:
      Blumensath and Davies, Iterative hard thresholding for compressed sensing, Appl. Comput.
      Harmon. Anal. 27, 2009.
    """

    k: int | float
    default_grouping: ClassVar[Grouping] = by_layer()

    def __post_init__(self):
        whole = isinstance(self.k, numbers.Integral) and not isinstance(self.k, bool)
        share = isinstance(self.k, numbers.Real) and not isinstance(self.k, numbers.Integral)
        if not (whole and self.k >= 0) and not (share and 0 <= self.k <= 1):
            raise ValueError(
                f"TopK needs k to be an int >= 0 or a float in [0, 1], got k={self.k!r}."
            )

    def project(
        self, parts: Sequence[Array], family: GroupFamily, metrics: Sequence[Array] | None = None
    ) -> list[Array]:
        """Keeps the largest magnitudes of every group; in a metric the largest d w^2."""
        return self.keep(parts, family, self.count(family), metrics)

    def keep(
        self,
        parts: Sequence[Array],
        family: GroupFamily,
        count: Array,
        metrics: Sequence[Array] | None = None,
    ) -> list[Array]:
        """Keeps the ``count`` largest entries of every group; :meth:`project` with another k."""
        return kept_entries(parts, _largest(ranks(parts, family, metrics), family, count))

    def count(self, family: GroupFamily) -> Array:
        """Number of entries that each group may keep: one number, or per group, int32."""
        if isinstance(self.k, numbers.Integral):
            return jnp.asarray(min(int(self.k), np.iinfo(np.int32).max), jnp.int32)
        # Rounded, since 0.29 * 100 is less than 29.
        count = np.floor(np.round(np.multiply(self.k, family.original_size), 6))
        count = jnp.asarray(count.astype(np.int32))
        return count.reshape(family.shape) if count.ndim else count


def _largest(bits: Sequence[Array], family: GroupFamily, k: Array) -> list[Array]:
    """Marks the k largest integers >= 0 of every group, of equal ones the first.

    It counts instead of sorting, which takes hundreds of passes on a CPU.
    """
    least = _greatest(bits, family, k)
    above = family.each(jnp.greater, bits, least)
    equal = family.each(jnp.equal, bits, least)
    places = k - family.tally(above)
    crowded = jnp.any((family.tally(equal) > places) & (least > 0))

    def first(equal):
        # The entries that come first have the most entries left after them.
        size = int(np.max(family.size, initial=0))
        left = family.each(lambda x, at: jnp.where(x, size - at, 0), equal, family.positions)
        last = jnp.maximum(_greatest(left, family, places, size.bit_length()), 1)
        return family.each(jnp.greater_equal, left, last)

    equal = lax.cond(crowded, first, lambda equal: equal, equal)
    return family.each(jnp.logical_or, above, equal)


def _greatest(
    numbers: Sequence[Array], family: GroupFamily, k: Array, width: int | None = None
) -> Array:
    """Finds, per group, the greatest integer that at least k of its numbers >= 0 reach.

    It fixes one bit after the other, the highest first; ``width`` is the number of bits.
    """
    kind = numbers[0].dtype
    width = 8 * kind.itemsize - 1 if width is None else width

    def refine(step, found):
        bit = jnp.left_shift(jnp.ones((), kind), (width - 1 - step).astype(kind))
        trial = found | bit
        reached = family.each(jnp.greater_equal, numbers, trial)
        return jnp.where(family.tally(reached) >= k, trial, found)

    nothing = jnp.zeros_like(family.max(numbers))
    return lax.fori_loop(0, width, refine, nothing)


def project_top_k(w: Float[Array, "..."], k: int | float) -> Float[Array, "..."]:
    r"""The nearest array with at most k entries that are not zero: its k largest.

    .. math:: \arg\min_z \|z - w\|_2 \;\; \text{such that} \;\; \|z\|_0 \le k

    Of equal magnitudes the first are kept. Entries that are not finite stay, and count nothing.

    Args:
      w: array of any shape.
      k: an int :math:`\ge 0`, or a float in [0, 1]: the share of the entries, rounded down.

    Returns:
      An array like ``w``.

    References:
      Blumensath and Davies, Iterative hard thresholding for compressed sensing, Appl. Comput.
      Harmon. Anal. 27, 2009.
    """
    return TopK(k).project([w], GroupFamily.whole(w.shape))[0]
