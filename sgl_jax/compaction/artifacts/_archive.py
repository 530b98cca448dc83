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

Nothing in it is trusted: all sizes are added up before anything is allocated, and the checksum
finds damage, but anyone can forge it.
"""

import itertools
import zlib
from collections.abc import Mapping

import numpy as np

from sgl_jax._util.levels import Codes, read_levels
from sgl_jax._util.typing import Path
from sgl_jax.compaction.artifacts._archive_head import (
    DTYPES,
    MOST_AXES,
    Head,
    Reader,
    read_heads,
    write_heads,
)
from sgl_jax.compaction.artifacts._entries import code_entries
from sgl_jax.compaction.artifacts._range_coder import Decoder, Encoder


__all__ = ["VERSION", "decode", "encode"]

MAGIC, VERSION = b"SGL", 1

CHECKSUM = 4
"""Bytes of the checksum."""


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
    parts = [MAGIC, bytes([VERSION]), write_heads(names, heads)]
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
    names, heads = read_heads(reader)
    total = sum(head.bytes for head in heads)
    if total > most:
        raise ValueError(f"its arrays take {total:,} bytes, of which {most:,} are allowed")
    leaves = dict(zip(names, heads, strict=True))
    found = {name: _read_array(reader, head) for name, head in leaves.items() if not head.largest}
    decoder = Decoder(reader.take_rest())
    found |= {name: _decode_entries(decoder, head) for name, head in leaves.items() if head.largest}
    decoder.finish()
    return {name: found[name] for name in names}


def _open(content: bytes) -> Reader:
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
    reader = Reader(body)
    reader.take(len(head))
    return reader


def _describe(name: str, array: np.ndarray, codes: Codes | None) -> Head:
    dtype = str(array.dtype)
    if dtype not in DTYPES or array.ndim > MOST_AXES:
        raise ValueError(
            f"An archive needs arrays of at most {MOST_AXES} axes and one of the types "
            f"{', '.join(DTYPES)}, got {dtype} with {array.ndim} axes at {name!r}."
        )
    if "\0" in name:
        raise ValueError(f"An archive needs names without a zero character, got {name!r}.")
    if codes is None or not array.size:
        return Head(array.dtype, array.shape, 0, 0, np.float32(1))
    count = int(np.count_nonzero(codes.codes))
    return Head(array.dtype, array.shape, max(1, codes.largest), count, codes.interval)


def _encode_entries(encoder: Encoder, head: Head, found: Codes) -> None:
    codes = found.codes.ravel()
    positions = np.flatnonzero(codes)
    gaps = np.diff(positions, prepend=-1) - 1
    entries = zip(gaps.tolist(), codes[positions].tolist(), strict=True)
    for _ in code_entries(encoder, head.size, head.count, head.largest, entries):
        pass


def _decode_entries(decoder: Decoder, head: Head) -> np.ndarray:
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


def _read_array(reader: Reader, head: Head) -> np.ndarray:
    stored = np.frombuffer(reader.take(head.bytes), head.dtype.newbyteorder("<"))
    return stored.astype(head.dtype).reshape(head.shape)


def _to_bytes(array: np.ndarray) -> bytes:
    return array.astype(array.dtype.newbyteorder("<")).tobytes()
