"""The nonzero entries of an array on levels, as bits for a coder: gaps between them, and codes.

A gap is the number of zeros before an entry, row by row. Where the nonzero entries are drawn at
random, gaps are geometric: the bits of such a number are independent of each other, so that odds
of its own for each of the last k bits, and one for going on with a further :math:`2^k`, code it
as briefly as can be. k is about the logarithm of the mean gap. A code is its sign, and its
magnitude bit by bit, each with the odds of the bits before it: any distribution over the levels is
learned.
"""

from collections.abc import Iterable, Iterator

from sgl_jax.compaction.artifacts._range_coder import Coder, make_contexts


__all__ = ["code_entries"]

LEARNED = 8
"""Bits of a magnitude whose odds follow from those before; further ones have odds by place."""

STEPS = 2
"""Steps of a gap with odds of their own for going on."""

UNEVEN = 3
"""Bits of a gap, of its last k the highest ones, that are not nearly as often zero as one."""

FIRM = 1 << 8
"""Weight of odds that are nearly even."""


def code_entries(
    coder: Coder, size: int, count: int, largest: int, entries: Iterable[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """Codes the nonzero entries of an array.

    Args:
      coder: what writes or reads the bits.
      size: entries of the array, zeros included.
      count: its nonzero entries, at least 1.
      largest: the largest magnitude of a code, at least 1.
      entries: gap and code of each nonzero entry; for a decoder as many pairs of any numbers.

    Yields:
      Position and code of each.

    Raises:
      ValueError: what was read is no array of this size, or has larger codes.
    """
    gaps, magnitudes = _Gaps(size, count), _Magnitudes(largest)
    (signs,) = make_contexts(1, FIRM)
    position = -1
    for gap, code in entries:
        position += gaps.code(coder, gap) + 1
        if position >= size:
            raise ValueError("a position is beyond the end of its array")
        negative = coder.code(signs, code < 0)
        magnitude = magnitudes.code(coder, abs(code))
        yield position, -magnitude if negative else magnitude


class _Gaps:
    """The numbers of zeros between entries."""

    def __init__(self, size: int, count: int) -> None:
        self._bits = max(0, (size // count).bit_length() - 1)
        self._most = size >> self._bits
        even = max(0, self._bits - UNEVEN)
        self._going_on = make_contexts(STEPS)
        self._last = make_contexts(even, FIRM) + make_contexts(self._bits - even)

    def code(self, coder: Coder, gap: int) -> int:
        bits, steps = self._bits, 0
        while coder.code(self._going_on[min(steps, STEPS - 1)], gap >> bits > steps):
            steps += 1
            if steps > self._most:
                raise ValueError("a position is beyond the end of its array")
        found = steps
        for place in range(bits - 1, -1, -1):
            found = 2 * found + coder.code(self._last[place], gap >> place & 1)
        return found


class _Magnitudes:
    """The magnitudes of codes, from 1 on."""

    def __init__(self, largest: int) -> None:
        self._largest, self._bits = largest, (largest - 1).bit_length()
        self._learned = make_contexts(1 << min(self._bits, LEARNED))
        self._others = make_contexts(self._bits)

    def code(self, coder: Coder, magnitude: int) -> int:
        # A leading one marks how many bits there have been.
        found = 1
        for place in range(self._bits - 1, -1, -1):
            known = found < len(self._learned)
            context = self._learned[found] if known else self._others[place]
            found = 2 * found + coder.code(context, magnitude - 1 >> place & 1)
        found += 1 - (1 << self._bits)
        if found > self._largest:
            raise ValueError("a code is larger than its array has any")
        return found
