"""A data set in the form of MNIST, small enough to write in a test."""

import contextlib
import dataclasses
import gzip
import hashlib
import os
import re
import struct
import sys

import numpy as np

from sgl_jax.data import DATASETS
from sgl_jax.data._idx_source import FILES, IdxSource


SOURCES = {
    name: sys.modules[load.__module__].SOURCE
    for name, load in DATASETS.items()
    if isinstance(getattr(sys.modules[load.__module__], "SOURCE", None), IdxSource)
}
"""The data sets of the catalogue that are published as IDX files."""


def pack(array):
    """The bytes of an IDX file."""
    return struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape) + array.tobytes()


def draw(seed=0):
    """The contents of the four files by name: 30 training and 20 test images of ten classes."""
    generator = np.random.default_rng(seed)
    files = {}
    for images, labels, count in ((*FILES[:2], 30), (*FILES[2:], 20)):
        x = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        files[images] = pack(x)
        files[labels] = pack(generator.permutation(np.arange(count, dtype=np.uint8) % 10))
    return files


def write(folder, files, packed=True):
    """Writes the files, gzipped and with the ending ``.gz`` or as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(content) if packed else content)
    return folder


def published(source, files, mirrors=()):
    """The source, had these files been published."""
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return dataclasses.replace(source, checksums=checksums, mirrors=tuple(mirrors))


def assert_holds(dataset, files):
    """The data set has the images and labels of the files."""
    for (images, labels), x, y in (
        (FILES[:2], dataset.x_train, dataset.y_train),
        (FILES[2:], dataset.x_test, dataset.y_test),
    ):
        assert x.shape[1:] == (28, 28, 1)
        assert x.tobytes() == files[images][16:]
        assert y.tolist() == list(files[labels][8:])


def assert_sentence(error, *parts):
    """The message is one sentence that says what is needed and what came, and has these parts."""
    message = str(error.value)
    assert message.endswith(".")
    assert "\n" not in message
    assert ". " not in message
    assert re.search(r"\bneeds?\b", message)
    assert re.search(r"\bgot\b|not installed", message)
    for part in parts:
        assert str(part) in message


@contextlib.contextmanager
def unprivileged():
    """Acts as a user whom permissions bind."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
