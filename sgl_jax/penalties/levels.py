"""Few levels for the weights of a group, evenly spaced on both sides of zero."""

import numbers
import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from sgl_jax._util.numerics import working_dtype
from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax._util.typing import ArrayLike, Axes
from sgl_jax.groups import GroupFamily, Grouping, by_layer
from sgl_jax.penalties._constraint import Constraint
from sgl_jax.penalties._interval import (
    Quantised,
    fit_interval,
    nearest_codes,
    sign_of,
    supports,
)


__all__ = ["Levels", "project_levels"]

MOST = 2**15 - 1
"""Levels of either sign, at most; a code fits into 16 bits."""


@pytree_dataclass(static=("count", "zero"))
class Levels(Constraint):
    r"""The weights of a group that are not zero are few multiples of one number.

    .. math:: w_i \in \{0\} \cup q_g \{\pm 1, \dots, \pm M\}

    The interval :math:`q_g` is the least-squares fit to the weights of the group, exactly. Weights
    that are zero stay zero; others become zero only with the level zero. A group
    is a whole layer unless another grouping is given: with :func:`~sgl_jax.by_filter` each output
    has an interval of its own. Its prox is :func:`project_levels`.

    At a glance:
      what it demands: the weights of a layer that are not zero are among an interval times
        1 to M, of either sign

    Attributes:
      count: :math:`M \ge 1`, levels of either sign: :math:`2^{b-1}` for a code of b bits. Or
        several by layer, as pairs ``((pattern, count), ...)`` or a dict: that of the first regular
        expression which the path of the leaf has.
      zero: zero is a level, too, to which small weights go.

    References:
      Ren and others, ADMM-NN, ASPLOS 2019.
    """

    count: int | tuple[tuple[str, int], ...]
    zero: bool = False
    default_grouping: ClassVar[Grouping] = by_layer()

    def __post_init__(self):
        if isinstance(self.count, Mapping):
            object.__setattr__(self, "count", tuple(self.count.items()))
        for each in [self.count] if isinstance(self.count, int) else _numbers(self.count):
            whole = isinstance(each, numbers.Integral) and not isinstance(each, bool)
            if not whole or not 1 <= each <= MOST:
                raise ValueError(
                    f"Levels needs a count from 1 to {MOST}, or pairs of a pattern and such a "
                    f"count, got count={self.count!r}."
                )

    def project(
        self, parts: Sequence[Array], family: GroupFamily, metrics: Sequence[Array] | None = None
    ) -> list[Array]:
        """Fits the interval of every group, and rounds to its levels; in a metric likewise."""
        interval = self.fit(parts, family, metrics)
        return [found.values for found in self.round(parts, family, interval)]

    def fit(
        self,
        parts: Sequence[Array],
        family: GroupFamily,
        metrics: Sequence[Array] | None = None,
        support: Sequence[Array] | None = None,
    ) -> Array:
        """Fits the interval of every group by least squares.

        Args:
          parts: the leaves of the family's members.
          family: the family of groups.
          metrics: weights of the squares, arrays like ``parts``.
          support: masks of the entries that are not to be zero; by default those that are not.

        Returns:
          The intervals per group; 1 for a group without support.
        """
        masks = supports(parts, support)
        return fit_interval(parts, masks, family, self.count_of(family), self.zero, metrics)

    def round(
        self,
        parts: Sequence[Array],
        family: GroupFamily,
        interval: Array,
        support: Sequence[Array] | None = None,
    ) -> list[Quantised]:
        """Finds the nearest levels of given intervals; arguments as of :meth:`fit`."""
        count, masks = self.count_of(family), supports(parts, support)
        codes = nearest_codes(parts, masks, family, interval, count, self.zero)

        def found(part: Array, code: Array, q: Array) -> Quantised:
            level = jnp.where(code == 0, 0.0, code * q).astype(part.dtype)
            finite = jnp.isfinite(part)
            return Quantised(jnp.where(finite, level, part), interval, code.astype(jnp.int32))

        signed = [code * sign_of(part) for code, part in zip(codes, parts, strict=True)]
        return family.each(found, list(parts), signed, interval)

    def count_of(self, family: GroupFamily) -> int:
        """Finds the number of levels of either sign of a family, by the path of its first leaf.

        Raises:
          ValueError: none of the patterns is in the path.
        """
        if isinstance(self.count, int):
            return self.count
        path = family.members[0].path
        for pattern, count in self.count:
            if re.search(pattern, path):
                return count
        raise ValueError(
            f"Levels needs a count for every leaf, got none of the patterns "
            f"{', '.join(repr(pattern) for pattern, _ in self.count)} in {path!r}; add '' for the "
            "others, or leave it out with skip=."
        )


def _numbers(pairs: Sequence[tuple[str, int]]) -> list[int]:
    """Lists the counts of pairs; what is no sequence of pairs counts as none, which is refused."""
    try:
        found = [count for pattern, count in pairs if isinstance(pattern, str)]
    except (TypeError, ValueError):
        return [0]
    return found if found and len(found) == len(pairs) else [0]


def project_levels(
    w: Float[Array, "..."],
    count: int = 1,
    zero: bool = False,
    *,
    axes: Axes | None = None,
    interval: ArrayLike | None = None,
    support: Array | None = None,
) -> Quantised:
    r"""The nearest array of few levels, with their interval and the codes of the entries.

    .. math::
      \arg\min_{z, q} \sum_{i: w_i \ne 0} (z_i - w_i)^2 \;\;\text{such that}\;\;
      z_i \in q \{\pm 1, \dots, \pm M\}

    for one :math:`q > 0` in each group; :math:`z_i = 0` is a choice, too, with the level zero, and
    :math:`z_i = 0` where :math:`w_i = 0`. With :math:`a_i = |w_i|` the best multiple of a given
    :math:`q` steps up by one at :math:`q = a_i / (m + 1/2)`. From one such point to the next the
    least error is :math:`\sum a^2 - B^2/C` for :math:`B = \sum a_i m_i` and
    :math:`C = \sum m_i^2`, at :math:`q = B/C`: one sort of all points and two running sums find the
    least of all, not only a local one. That takes :math:`O(nM \log nM)` time and :math:`O(nM)`
    memory for n entries; rounding to a given interval takes O(n).

    At a tie of two levels the lower magnitude is taken, at a tie of two intervals the larger.
    Entries that are not finite stay, and count nothing. The interval is rounded to the dtype of
    ``w`` before entries are rounded to its multiples; these, too, are rounded to that dtype.

    Args:
      w: array of any shape.
      count: :math:`M`, levels of either sign, from 1 to 32,767.
      zero: zero is a level, too.
      axes: the axes that a group spans; all by default.
      interval: a given :math:`q`, a number or of the shape of ``w`` reduced over ``axes`` with the
        axes kept, in the place of the best.
      support: a mask of the entries that count and are not to be zero without a level zero, by
        default those that are not zero; one of them that is zero goes to :math:`+q`.

    Returns:
      A :class:`~sgl_jax.Quantised`: values, interval and codes.

    Raises:
      ValueError: a count out of its range, or a complex array.

    References:
      Ren and others, ADMM-NN, ASPLOS 2019.
    """
    w = jnp.asarray(w)
    levels, every = Levels(count, zero), tuple(range(w.ndim))
    family = GroupFamily.of_array(w.shape, every if axes is None else axes)
    masks = None if support is None else [support]
    dtype = working_dtype(w)
    if interval is None:
        interval = levels.fit([w], family, None, masks)
    given = jnp.asarray(interval, dtype).astype(w.dtype).astype(dtype)
    given = jnp.broadcast_to(given, family.shape)
    return levels.round([w], family, given, masks)[0]
