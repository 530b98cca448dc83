"""Data sets published as the four IDX files of MNIST: found in a folder, or fetched into it."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from sgl_jax.data import _idx as idx
from sgl_jax.data._base import Dataset
from sgl_jax.data._download import fetch
from sgl_jax.data._source import Source


__all__ = ["FILES", "IdxSource"]

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
"""The official names, which all data sets of this form share."""


@dataclasses.dataclass(frozen=True)
class IdxSource(Source):
    """A data set of ten classes in the four IDX files; the mirrors serve them with ``.gz``."""

    def load(self, root: str | os.PathLike[str] | None = None, download: bool = False) -> Dataset:
        """Reads the four files."""
        paths = self.find(root, download)

        def read(images: str, labels: str):
            checksums = self.checksums[images], self.checksums[labels]
            x, y = idx.read_pair(paths[images], paths[labels], checksums)
            return x[..., None], y

        return Dataset(*read(*FILES[:2]), *read(*FILES[2:]), classes=10)

    def fetch(self, files: Sequence[str], folder: Path) -> dict[str, Path]:
        """Fetches each of them; a packed one stays packed."""
        return {
            file: fetch(f"{file}.gz", folder, self.mirrors, self.checksums[file]) for file in files
        }
