"""Data sets in the form of CIFAR, small enough to write in a test."""

import dataclasses
import hashlib
import io
import sys
import tarfile

import numpy as np

from sgl_jax.data import DATASETS
from sgl_jax.data._cifar import CifarSource


SOURCES = {
    name: sys.modules[load.__module__].SOURCE
    for name, load in DATASETS.items()
    if isinstance(getattr(sys.modules[load.__module__], "SOURCE", None), CifarSource)
}
"""The data sets of the catalogue that are published in the binary form of CIFAR."""


def draw(source, seed=0):
    """The contents of all files by name: as many records as classes, in another order in each."""
    generator = np.random.default_rng(seed)
    files = {}
    for name in source.checksums:
        records = generator.integers(0, 256, (source.classes, source.labels + 3072), np.uint8)
        records[:, source.labels - 1] = generator.permutation(source.classes)
        files[name] = records.tobytes()
    return files


def pack(source, files):
    """The bytes of an archive of the files, in a folder."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{source.folders[0]}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def published(source, files, archive=b"", mirrors=()):
    """The source, had these files and this archive been published."""
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    archive_checksum = hashlib.sha256(archive).hexdigest()
    found = {"checksums": checksums, "archive_checksum": archive_checksum}
    return dataclasses.replace(source, **found, mirrors=tuple(mirrors))


def write(folder, files):
    """Writes the files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder
