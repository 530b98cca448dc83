"""CIFAR in its binary form: records of labels and pixels, in the files of one archive."""

import dataclasses
import hashlib
import os
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Int32, UInt8

from sgl_jax._util.files import write_whole
from sgl_jax.data import _idx as idx
from sgl_jax.data._base import Dataset
from sgl_jax.data._download import fetch, make_write_error
from sgl_jax.data._source import Source


__all__ = ["CifarSource", "Normalization"]

SHAPE = (3, 32, 32)
"""Channels, rows and columns of an image, in this order in a record."""

Normalization: TypeAlias = Literal["own", "imagenet", "none"]

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of the channels of ImageNet, with which many weights were trained."""


@dataclasses.dataclass(frozen=True)
class CifarSource(Source):
    """A data set of 32x32 colour images in binary records.

    Attributes:
      archive: name of the archive that has the files, on the mirrors.
      archive_checksum: SHA-256 of the archive as it is.
      labels: number of bytes before the pixels of a record, of which the last is the class.
      classes: number of classes.
      names: names of the classes.
      mean: mean of the channels of the training images, as the literature rounds it, in [0, 255].
      std: standard deviation of the channels, likewise.
    """

    archive: str
    archive_checksum: str
    labels: int
    classes: int
    names: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def load(
        self,
        root: str | os.PathLike[str] | None = None,
        download: bool = False,
        normalization: Normalization = "own",
    ) -> Dataset:
        """Reads the files; the last of them has the test images.

        Args:
          root: as for :meth:`find`.
          download: as for :meth:`find`.
          normalization: mean and standard deviation by which models standardise the images.

        Raises:
          ImportError: as :meth:`find`.
          OSError: as :meth:`find`.
          ValueError: as :meth:`find`, or an unknown normalization, or a file is not what it should
            be.
        """
        own = [tuple(value / 255 for value in values) for values in (self.mean, self.std)]
        choices = {"own": own, "imagenet": IMAGENET, "none": ((), ())}
        if normalization not in choices:
            raise ValueError(
                f"{self.title} needs a normalization among {', '.join(choices)}, got "
                f"{normalization!r}."
            )
        mean, std = choices[normalization]
        paths = self.find(root, download)
        *parts, (x_test, y_test) = [self._read(file, paths) for file in self.checksums]
        x_train, y_train = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        arrays = x_train, y_train, x_test, y_test
        return Dataset(*arrays, self.classes, self.names, tuple(mean), tuple(std))

    def _read(
        self, file: str, paths: Mapping[str, Path]
    ) -> tuple[UInt8[np.ndarray, "n 32 32 3"], Int32[np.ndarray, "n"]]:
        """Reads the images and labels of a file."""
        data, size = idx.read_contents(paths[file]), self.labels + int(np.prod(SHAPE))
        if len(data) % size:
            raise ValueError(
                f"{self.title} needs records of {size} bytes, got {len(data)} bytes in "
                f"{paths[file]}: replace the file by a good copy."
            )
        idx.check_sum(paths[file], hashlib.sha256(data).hexdigest(), self.checksums[file])
        records = np.frombuffer(data, np.uint8).reshape(-1, size)
        images = records[:, self.labels :].reshape(-1, *SHAPE).transpose(0, 2, 3, 1)
        return np.ascontiguousarray(images), records[:, self.labels - 1].astype(np.int32)

    def fetch(self, files: Sequence[str], folder: Path) -> dict[str, Path]:
        """Fetches the archive and unpacks the files that are missing.

        An archive that is there already is unpacked and stays; one that was fetched is deleted.
        """
        archive = folder / self.archive
        was_there = archive.exists()
        if was_there:
            idx.check_sum(archive, _hash_file(archive), self.archive_checksum)
        else:
            fetch(self.archive, folder, self.mirrors, self.archive_checksum, _hash_file)
        try:
            return _unpack(archive, files, folder)
        except OSError as error:
            raise make_write_error(folder, error) from error
        finally:
            if not was_there:
                archive.unlink()


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unpack(archive: Path, files: Sequence[str], folder: Path) -> dict[str, Path]:
    """Unpacks some files of an archive into a folder; returns their paths by name."""
    found = {}
    with tarfile.open(archive) as members:
        for member in members:
            name = Path(member.name).name
            contents = members.extractfile(member) if name in files else None
            if contents is not None:
                found[name] = folder / name
                write_whole(found[name], contents.read())
    return found
