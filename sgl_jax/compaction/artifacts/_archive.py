r"""The bytes of an archive: arrays by name, each as codes on its levels or as it is.

In this order, with every number of several bytes little-endian, and sizes in groups of 7 bits, the
lowest first, of which all but the last have the eighth bit set:

- ``SGL`` and the version, a byte;
- the number of arrays, the length of their names, and the names, sorted, each with a zero byte
  behind it, compressed by raw deflate with :data:`USUAL` as its dictionary;
- for every array a byte with type (4 bits, a place in :data:`DTYPES`), and number of axes (4
  bits), then the axes, and a form: how many magnitudes its codes may have (0 for an array that
  is stored as it is), followed, if not 0, by the number of nonzero entries and, if that is not 0,
  by the interval as float32;
- the arrays that are stored as they are;
- the nonzero entries of all others, by :func:`code_entries`, in one message of the range coder;
- CRC-32 of all before.

Nothing in it is trusted: all sizes are added up before anything is allocated, and the checksum,
which anyone can forge, only tells damage from malice.
"""

import itertools
import math
import zlib
from collections.abc import Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from sgl_jax._util.levels import LARGEST_CODE, Codes, read_levels
from sgl_jax._util.typing import Path
from sgl_jax.compaction.artifacts._entries import code_entries
from sgl_jax.compaction.artifacts._range_coder import Decoder, Encoder


__all__ = ["VERSION", "decode", "encode"]

MAGIC, VERSION = b"SGL", 1

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

CHECKSUM = 4

USUAL = (
    b"embedding\0running_mean\0gamma\0beta\0scale\0var\0mean\0weight\0norm1/bias\0norm1/mean\0"
    b"norm1/scale\0norm1/var\0block0/conv1/kernel\0conv/kernel\0fc/bias\0fc/kernel\0w\0b\0"
    b"params/conv1/bias\0params/conv1/kernel\x001/norm/mean\x001/norm/var\x00"
    b"0/conv1/bias\x000/conv1/kernel\x000/conv2/bias\x000/conv2/kernel\x00"
    b"0/fc1/bias\x000/fc1/kernel\x000/fc2/bias\x000/fc2/kernel\0"
)
"""Names that are usual, by which others are compressed; part of the format."""


class _Leaf(NamedTuple):
    """An array as the head of an archive describes it; ``largest`` is 0 if it has no codes."""

    dtype: np.dtype
    shape: tuple[int, ...]
    largest: int
    count: int
    interval: np.float32

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.size * self.dtype.itemsize


def encode(leaves: Mapping[Path, np.ndarray]) -> bytes:
    """Encodes arrays by name; what comes back from :func:`decode` is the same, bit for bit.

    Only -0 in an array on levels comes back as 0.

    Args:
      leaves: the arrays.

    Raises:
      ValueError: a type, a name or a number of axes that the format does not have.
    """
    names = sorted(leaves)
    arrays = [np.asarray(leaves[name]) for name in names]
    found = [read_levels(array) for array in arrays]
    heads = [_describe(*each) for each in zip(names, arrays, found, strict=True)]
    listed = _deflate(b"".join(_check_name(name) + b"\0" for name in names))
    parts = [MAGIC, bytes([VERSION]), _number(len(names)), _number(len(listed)), listed]
    parts += [_write_head(head) for head in heads]
    parts += [_to_bytes(a) for a, head in zip(arrays, heads, strict=True) if not head.largest]
    encoder = Encoder()
    for head, codes in zip(heads, found, strict=True):
        if codes is not None and head.count:
            _encode_entries(encoder, head, codes)
    content = b"".join([*parts, encoder.finish()])
    return content + zlib.crc32(content).to_bytes(CHECKSUM, "little")


def decode(content: bytes, most: int) -> dict[Path, np.ndarray]:
    """Decodes the arrays of an archive, by name.

    Args:
      content: the bytes.
      most: bytes that the arrays may take; nothing is allocated for more.

    Raises:
      ValueError: it is no archive, is damaged, or is of another version; a few words say why.
    """
    reader = _open(content)
    names, heads = _read_heads(reader)
    total = sum(head.bytes for head in heads)
    if total > most:
        raise ValueError(f"its arrays take {total:,} bytes, of which {most:,} are allowed")
    leaves = dict(zip(names, heads, strict=True))
    found = {name: _read_array(reader, head) for name, head in leaves.items() if not head.largest}
    decoder = Decoder(reader.take_rest())
    found |= {name: _decode_entries(decoder, head) for name, head in leaves.items() if head.largest}
    decoder.finish()
    return {name: found[name] for name in names}


class _Reader:
    """Bytes that are taken from front to back, never more than there are."""

    def __init__(self, content: bytes) -> None:
        self._content, self._place = content, 0

    def take(self, count: int) -> bytes:
        found = self._content[self._place : self._place + count]
        if len(found) < count:
            raise ValueError("it ends too early")
        self._place += count
        return found

    def take_rest(self) -> bytes:
        return self.take(len(self._content) - self._place)

    def number(self) -> int:
        found = 0
        for place in range(LONGEST):
            (byte,) = self.take(1)
            found |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                return found
        raise ValueError("a size in it has no end")


def _open(content: bytes) -> _Reader:
    """Checks magic, version and checksum."""
    head, body = content[: len(MAGIC) + 1], content[:-CHECKSUM]
    if head[: len(MAGIC)] != MAGIC:
        raise ValueError("it does not begin like one")
    if len(body) <= len(MAGIC):
        raise ValueError("it ends too early")
    if head[-1] != VERSION:
        raise ValueError(f"it is of version {head[-1]}, where this is {VERSION}: update sgl-jax")
    if zlib.crc32(body).to_bytes(CHECKSUM, "little") != content[-CHECKSUM:]:
        raise ValueError("its checksum is another one: it is damaged")
    reader = _Reader(body)
    reader.take(len(head))
    return reader


def _read_heads(reader: _Reader) -> tuple[list[str], list[_Leaf]]:
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


def _describe(name: str, array: np.ndarray, codes: Codes | None) -> _Leaf:
    dtype = str(array.dtype)
    if dtype not in DTYPES or array.ndim > MOST_AXES:
        raise ValueError(
            f"An archive needs arrays of at most {MOST_AXES} axes and one of the types "
            f"{', '.join(DTYPES)}, got {dtype} with {array.ndim} axes at {name!r}."
        )
    if codes is None or not array.size:
        return _Leaf(array.dtype, array.shape, 0, 0, np.float32(1))
    count = int(np.count_nonzero(codes.codes))
    return _Leaf(array.dtype, array.shape, max(1, codes.largest), count, codes.interval)


def _write_head(head: _Leaf) -> bytes:
    form = DTYPES.index(str(head.dtype)) | len(head.shape) << 4
    parts = [bytes([form]), *map(_number, head.shape), _number(head.largest)]
    if head.largest:
        parts.append(_number(head.count))
    if head.count:
        parts.append(head.interval.astype("<f4").tobytes())
    return b"".join(parts)


def _read_head(reader: _Reader) -> _Leaf:
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
    head = _Leaf(dtype, shape, largest, count, interval)
    if largest and not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError("an array of integers in it has levels")
    if largest > LARGEST_CODE or count > head.size:
        raise ValueError("an array in it has more entries or levels than there can be")
    if not (np.isfinite(interval) and interval > 0):
        raise ValueError("an interval in it is no positive number")
    return head


def _encode_entries(encoder: Encoder, head: _Leaf, found: Codes) -> None:
    codes = found.codes.ravel()
    positions = np.flatnonzero(codes)
    gaps = np.diff(positions, prepend=-1) - 1
    entries = zip(gaps.tolist(), codes[positions].tolist(), strict=True)
    for _ in code_entries(encoder, head.size, head.count, head.largest, entries):
        pass


def _decode_entries(decoder: Decoder, head: _Leaf) -> np.ndarray:
    unread = itertools.repeat((0, 0), head.count)
    entries = (
        code_entries(decoder, head.size, head.count, head.largest, unread) if head.count else ()
    )
    found = np.fromiter(entries, [("position", np.int64), ("code", np.int32)], head.count)
    with np.errstate(over="ignore"):
        values = Codes(head.interval, found["code"]).values(head.dtype)
    if not np.isfinite(values.astype(np.float64)).all():
        raise ValueError("an interval in it is too large")
    array = np.zeros(head.size, head.dtype)
    array[found["position"]] = values
    return array.reshape(head.shape)


def _read_array(reader: _Reader, head: _Leaf) -> np.ndarray:
    stored = np.frombuffer(reader.take(head.bytes), head.dtype.newbyteorder("<"))
    return stored.astype(head.dtype).reshape(head.shape)


def _to_bytes(array: np.ndarray) -> bytes:
    return array.astype(array.dtype.newbyteorder("<")).tobytes()


def _number(number: int) -> bytes:
    """Writes a size in groups of 7 bits."""
    found = bytearray()
    while number >= 0x80:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def _check_name(name: str) -> bytes:
    if "\0" in name:
        raise ValueError(f"An archive needs names without a zero character, got {name!r}.")
    return name.encode()


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
