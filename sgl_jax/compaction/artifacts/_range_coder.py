"""An adaptive binary range coder, in integers alone.

A message is a sequence of bits, each coded with the odds that counts of earlier bits give. The
coder keeps an interval of numbers; a bit takes the part of it that belongs to it, of a length in
proportion to the odds, and the bytes written are a number in the last interval. A bit with odds p
so costs nearly -log2(p) bits, far less than one where it is easily guessed. Encoder and decoder
compute the same odds from the same counts by integer division, so that a file means the same on
every machine.
"""

from typing import TypeAlias


__all__ = ["Coder", "Context", "Decoder", "Encoder", "make_contexts"]

WHOLE = 1 << 32
"""Length of the first interval."""

SHORTEST = 1 << 24
"""Length below which an interval is drawn out by a byte."""

PRECISION = 16
"""Bits of the odds."""

MOST = 1 << 15
"""Sum of the counts of a context beyond which they are halved, so that odds stay above zero."""

Context = list[int]
"""Counts of zeros and of ones, each twice the number plus one, under one circumstance."""


def make_contexts(count: int, weight: int = 1) -> list[Context]:
    """Makes contexts in which nothing has been seen yet.

    Args:
      count: number of contexts.
      weight: how firmly they hold to even odds at first, at least 1.
    """
    return [[weight, weight] for _ in range(count)]


def _halve(context: Context) -> None:
    context[:] = [count >> 1 | 1 for count in context]


class Encoder:
    """The writing coder."""

    __slots__ = ("_low", "_range", "_written")

    def __init__(self) -> None:
        self._low, self._range, self._written = 0, WHOLE - 1, bytearray()

    def code(self, context: Context, bit: int) -> int:
        """Writes a bit, and counts it.

        Args:
          context: counts that the odds follow from.
          bit: the bit.

        Returns:
          The bit.
        """
        zeros, ones = context
        bound = (self._range >> PRECISION) * ((zeros << PRECISION) // (zeros + ones))
        if bit:
            self._low += bound
            self._range -= bound
        else:
            self._range = bound
        context[bit] += 2
        if zeros + ones > MOST:
            _halve(context)
        while self._range < SHORTEST:
            self._shift()
        return bit

    def finish(self) -> bytes:
        """Finishes the message, by the shortest number in the interval, and returns its bytes."""
        for dropped in (24, 16, 8, 0):
            number = -(-self._low >> dropped) << dropped
            if number < self._low + self._range:
                break
        self._low = number
        for _ in range(4):
            self._shift()
        end = len(self._written)
        least = end - 4
        while end > least and not self._written[end - 1]:
            end -= 1
        return bytes(self._written[:end])

    def _shift(self) -> None:
        """Writes the first byte of the interval, with the carry to those before it."""
        if self._low >= WHOLE:
            place = len(self._written) - 1
            while self._written[place] == 0xFF:
                self._written[place] = 0
                place -= 1
            self._written[place] += 1
            self._low -= WHOLE
        self._written.append(self._low >> 24)
        self._low = (self._low << 8) % WHOLE
        self._range <<= 8


class Decoder:
    """The reading coder.

    Args:
      message: what :meth:`Encoder.finish` returned.
    """

    __slots__ = ("_ahead", "_bytes", "_place", "_range")

    def __init__(self, message: bytes) -> None:
        # The zeros at the end of the last number are not stored.
        self._bytes = message + bytes(4)
        self._ahead, self._place, self._range = int.from_bytes(self._bytes[:4]), 4, WHOLE - 1

    def code(self, context: Context, bit: int = 0) -> int:
        """Reads a bit, and counts it.

        Args:
          context: counts that the odds follow from.
          bit: any number; there so that one description of a message serves both coders.

        Returns:
          The bit.

        Raises:
          ValueError: the message has ended.
        """
        zeros, ones = context
        bound = (self._range >> PRECISION) * ((zeros << PRECISION) // (zeros + ones))
        if self._ahead < bound:
            bit, self._range = 0, bound
        else:
            bit = 1
            self._ahead -= bound
            self._range -= bound
        context[bit] += 2
        if zeros + ones > MOST:
            _halve(context)
        while self._range < SHORTEST:
            if self._place >= len(self._bytes):
                raise ValueError("its codes end too early")
            self._ahead = (self._ahead << 8) | self._bytes[self._place]
            self._place += 1
            self._range <<= 8
        return bit

    def finish(self) -> None:
        """Checks that all of the message has been read.

        Raises:
          ValueError: there is more of it.
        """
        if self._place < len(self._bytes) - 4:
            raise ValueError("more bytes follow its codes")


Coder: TypeAlias = Encoder | Decoder
"""Encoder or decoder: the same calls in the same order write a message, or read it."""
