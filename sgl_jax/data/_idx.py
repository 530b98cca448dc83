"""The IDX format of MNIST: big-endian sizes, then bytes; gzipped or not, told by the content.

The reader is strict: a file that is not whole, or not what it should be, is an error.
"""

import gzip
import hashlib
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import Int32, UInt8


__all__ = [
    "check_sum",
    "compute_checksum",
    "read_contents",
    "read_images",
    "read_labels",
    "read_pair",
]

GZIP = b"\x1f\x8b"
"""The first two bytes of a gzip stream."""

UNSIGNED_BYTES = 0x0800
"""IDX's code for values of type uint8, in the magic number, whose last byte counts the axes."""


def read_contents(path: Path) -> bytes:
    """Reads the bytes of a file, unpacked if they are gzipped, whatever the file is called.

    Args:
      path: the file.

    Raises:
      OSError: if the file cannot be read.
      ValueError: if it is a gzip stream that is cut short or damaged.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise OSError(
            f"{path} needs to be a file that can be read, got '{error.strerror}': "
            "check the path and its permissions."
        ) from error
    if not data.startswith(GZIP):
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(
            f"{path} needs a whole gzip stream, got one that is cut short or damaged: "
            "replace the file by a good copy."
        ) from error


def compute_checksum(path: Path) -> str:
    """Computes the SHA-256 of a file, in hexadecimal; of the unpacked bytes if it is gzipped.

    Args:
      path: the file.

    Raises:
      OSError: if the file cannot be read.
      ValueError: if it is a gzip stream that is cut short or damaged.
    """
    return hashlib.sha256(read_contents(path)).hexdigest()


def read_images(path: Path) -> UInt8[np.ndarray, "n height width"]:
    """Images of one channel.

    Args:
      path: a file of magic number 0x00000803.

    Raises:
      OSError: if the file cannot be read.
      ValueError: if it is no whole file of images.
    """
    return _parse_images(read_contents(path), path)


def read_labels(path: Path) -> Int32[np.ndarray, "n"]:
    """Reads labels, 0 to 255.

    Args:
      path: a file of magic number 0x00000801.

    Raises:
      OSError: if the file cannot be read.
      ValueError: if it is no whole file of labels.
    """
    return _parse_labels(read_contents(path), path)


def read_pair(
    images: Path, labels: Path, checksums: tuple[str, str] | None = None
) -> tuple[UInt8[np.ndarray, "n height width"], Int32[np.ndarray, "n"]]:
    """Reads images and their labels.

    Args:
      images: the file of images.
      labels: the file of labels, one per image, in the order of the images.
      checksums: the checksum of each of the two; ``None`` takes any files.

    Raises:
      OSError: if a file cannot be read.
      ValueError: if a file is not what it should be, or the two do not match.
    """
    data = read_contents(images), read_contents(labels)
    x, y = _parse_images(data[0], images), _parse_labels(data[1], labels)
    if len(x) != len(y):
        raise ValueError(
            f"Images need one label each, got {len(x)} images in {images} and {len(y)} labels in "
            f"{labels}: give two files that were published together."
        )
    # Last, since the other errors say more.
    if checksums is not None:
        for path, found, expected in zip((images, labels), data, checksums, strict=True):
            check_sum(path, hashlib.sha256(found).hexdigest(), expected)
    return x, y


def _parse_images(data: bytes, path: Path) -> UInt8[np.ndarray, "n height width"]:
    return _parse_values(data, path, "images", 3)


def _parse_labels(data: bytes, path: Path) -> Int32[np.ndarray, "n"]:
    return _parse_values(data, path, "labels", 1).astype(np.int32)


def _parse_values(data: bytes, path: Path, kind: str, axes: int) -> UInt8[np.ndarray, "..."]:
    """Parses the array behind the header, writable."""
    magic, start = struct.pack(">I", UNSIGNED_BYTES + axes), 4 + 4 * axes
    if data[:4] != magic:
        found = f"0x{data[:4].hex()}" if data else "no bytes at all"
        raise ValueError(
            f"IDX {kind} need the magic number 0x{magic.hex()}, got {found} in {path}: "
            f"give the file of {kind} as published."
        )
    if len(data) < start:
        raise ValueError(
            f"IDX {kind} need a header of {start} bytes, got {len(data)} bytes in {path}: "
            "replace the file by a good copy."
        )
    shape = struct.unpack(f">{axes}I", data[4:start])
    if math.prod(shape) != len(data) - start:
        raise ValueError(
            f"{path} needs the {'x'.join(map(str, shape))} = {math.prod(shape)} bytes that its "
            f"header declares, got {len(data) - start}: replace the file by a good copy."
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape).copy()


def check_sum(path: Path, found: str, expected: str) -> None:
    """Raises ``ValueError`` if a checksum is not the expected one."""
    if found != expected:
        raise ValueError(
            f"{path} needs contents of SHA-256 {expected[:12]}..., got {found[:12]}..., those of a "
            "damaged file or of another data set: name another folder, or delete the file and "
            "fetch it with --download (download=True)."
        )
