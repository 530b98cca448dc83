"""The head of an archive: names, types, shapes and forms of its arrays, as bytes."""

import math
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from sgl_jax._util.levels import LARGEST_CODE


__all__ = ["DTYPES", "MOST_AXES", "Head", "Reader", "read_heads", "write_heads"]

DTYPES = (
    *("float32", "float16", "bfloat16", "float64"),
    *("int32", "int64", "uint32", "uint64", "int8", "uint8", "int16", "uint16", "bool"),
)
"""Types by the number that stands for each in a file; new ones join at the end."""

MOST_AXES = 15

LONGEST_AXIS = 1 << 40

LONGEST = 9
"""Bytes of the longest number, which has 63 bits."""

NAMES = 1 << 20
"""Most bytes of all names."""

USUAL = (
    b"embedding\0running_mean\0gamma\0beta\0scale\0var\0mean\0weight\0norm1/bias\0norm1/mean\0"
    b"norm1/scale\0norm1/var\0block0/conv1/kernel\0conv/kernel\0fc/bias\0fc/kernel\0w\0b\0"
    b"params/conv1/bias\0params/conv1/kernel\x001/norm/mean\x001/norm/var\x00"
    b"0/conv1/bias\x000/conv1/kernel\x000/conv2/bias\x000/conv2/kernel\x00"
    b"0/fc1/bias\x000/fc1/kernel\x000/fc2/bias\x000/fc2/kernel\0"
)
"""Names that are usual, by which others are compressed; part of the format."""


class Head(NamedTuple):
    """An array as the head of an archive describes it; ``largest`` is 0 if it has no codes."""

    dtype: np.dtype
    shape: tuple[int, ...]
    largest: int
    count: int
    interval: np.float32

    @property
    def size(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Bytes of the array itself."""
        return self.size * self.dtype.itemsize


class Reader:
    """Bytes that are taken from front to back, never more than there are."""

    def __init__(self, content: bytes) -> None:
        self._content, self._place = content, 0

    def take(self, count: int) -> bytes:
        """Takes so many bytes; raises ``ValueError`` if there are fewer."""
        found = self._content[self._place : self._place + count]
        if len(found) < count:
            raise ValueError("it ends too early")
        self._place += count
        return found

    def take_rest(self) -> bytes:
        """Takes all bytes that are left."""
        return self.take(len(self._content) - self._place)

    def number(self) -> int:
        """Takes a number."""
        found = 0
        for place in range(LONGEST):
            (byte,) = self.take(1)
            found |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                return found
        raise ValueError("a size in it has no end")


def write_heads(names: Sequence[str], heads: Sequence[Head]) -> bytes:
    """Writes the heads of arrays with ascending names; :func:`read_heads` inverts it.

    Args:
      names: names without a zero character.
      heads: the heads.
    """
    listed = _deflate(b"".join(name.encode() + b"\0" for name in names))
    return b"".join([_number(len(names)), _number(len(listed)), listed, *map(_write_head, heads)])


def read_heads(reader: Reader) -> tuple[list[str], list[Head]]:
    """Reads names and heads.

    Args:
      reader: what is to be read.

    Raises:
      ValueError: they are damaged, or of arrays that cannot be.
    """
    count = reader.number()
    text = _inflate(reader.take(reader.number()))
    names = text.split(b"\0")
    if names.pop() or len(names) != count or names != sorted(set(names)):
        raise ValueError("its names are not in order")
    try:
        decoded = [name.decode() for name in names]
    except UnicodeDecodeError as error:
        raise ValueError("its names are no text") from error
    return decoded, [_read_head(reader) for _ in names]


def _write_head(head: Head) -> bytes:
    form = DTYPES.index(str(head.dtype)) | len(head.shape) << 4
    parts = [bytes([form]), *map(_number, head.shape), _number(head.largest)]
    if head.largest:
        parts.append(_number(head.count))
    if head.count:
        parts.append(head.interval.astype("<f4").tobytes())
    return b"".join(parts)


def _read_head(reader: Reader) -> Head:
    (form,) = reader.take(1)
    if form & 15 >= len(DTYPES):
        raise ValueError("an array in it has a type that is not known")
    dtype = jnp.dtype(DTYPES[form & 15])
    shape = tuple(reader.number() for _ in range(form >> 4))
    if max(shape, default=0) > LONGEST_AXIS:
        raise ValueError("an array in it is longer than any can be")
    largest = reader.number()
    count = reader.number() if largest else 0
    interval = np.frombuffer(reader.take(4), "<f4")[0] if count else np.float32(1)
    head = Head(dtype, shape, largest, count, interval)
    if largest and not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError("an array of integers in it has levels")
    if largest > LARGEST_CODE or count > head.size:
        raise ValueError("an array in it has more entries or levels than there can be")
    if not (np.isfinite(interval) and interval > 0):
        raise ValueError("an interval in it is no positive number")
    return head


def _number(number: int) -> bytes:
    """Writes a size in groups of 7 bits."""
    found = bytearray()
    while number >= 0x80:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def _deflate(text: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zdict=USUAL)
    return packer.compress(text) + packer.flush()


def _inflate(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj(-15, zdict=USUAL)
    try:
        found = unpacker.decompress(packed, NAMES)
    except zlib.error as error:
        raise ValueError("its names cannot be read") from error
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("its names cannot be read")
    return found
