"""Data sets published as the four IDX files of MNIST: found in a folder, or fetched into it."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

from sgl_jax.data import _idx as idx
from sgl_jax.data._base import Dataset
from sgl_jax.data._download import fetch


__all__ = ["FILES", "ROOT_VARIABLE", "IdxSource"]

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
"""The official names, which all data sets of this form share."""

ROOT_VARIABLE = "SGL_JAX_DATA"
"""The environment variable that names the folder of data sets."""


@dataclasses.dataclass(frozen=True)
class IdxSource:
    """A data set of ten classes in four IDX files, which are recognised by their checksums.

    All data sets of this form use the same four names. So a file is known by its contents: a folder
    of Fashion-MNIST does not pass for MNIST.

    Attributes:
      title: the name of the data set in messages.
      folders: subfolders of the root where the files may lie, the likeliest first; they come before
        the root itself.
      mirrors: URLs of folders that serve the files with the ending ``.gz``, tried in this order.
      checksums: :func:`sgl_jax.data._idx.compute_checksum` of each file by its name.
    """

    title: str
    folders: tuple[str, ...]
    mirrors: tuple[str, ...]
    checksums: Mapping[str, str]

    def load(self, root: str | os.PathLike[str] | None = None, download: bool = False) -> Dataset:
        """Reads the four files.

        Args:
          root: the folder with the files, gzipped or not, in it or in one of ``folders``; without
            it, the environment variable ``SGL_JAX_DATA`` names the folder.
          download: if true, missing files are fetched; they go beside those that are
            there, or to the first of ``folders``.

        Raises:
          ImportError: if pooch is needed for a download and is not installed.
          OSError: if a folder or file is missing, cannot be read or written, or not be fetched.
          ValueError: if there is no root, or a file is not what it should be.
        """
        folder = self._choose_root(root)
        paths = self._find_files(folder, download)
        missing = [file for file in FILES if file not in paths]
        if missing and not download:
            raise FileNotFoundError(
                f"{self.title} needs its IDX files, got no {', '.join(missing)} (nor .gz) in "
                f"{folder} or its subfolder {self.folders[0]}: put them there, or add --download "
                "(download=True)."
            )
        target = next((path.parent for path in paths.values()), folder / self.folders[0])
        for file in missing:
            paths[file] = fetch(f"{file}.gz", target, self.mirrors, self.checksums[file])
        return self._read_files(paths)

    def _choose_root(self, root: str | os.PathLike[str] | None) -> Path:
        named = root or os.environ.get(ROOT_VARIABLE)
        if not named:
            raise ValueError(
                f"{self.title} needs the folder of its files, got neither --data-root (root=) nor "
                f"the environment variable {ROOT_VARIABLE}: name a folder, and add --download "
                "(download=True) if the files are not there yet."
            )
        return Path(os.path.expanduser(named))

    def _find_files(self, root: Path, download: bool) -> dict[str, Path]:
        """Finds the files that are there: unpacked before packed, subfolders before the root."""
        found: dict[str, Path] = {}
        for folder in (root, *(root / name for name in reversed(self.folders))):
            names = self._list_names(folder, required=folder == root and not download)
            for file in FILES:
                for name in (f"{file}.gz", file):
                    if name in names:
                        found[file] = folder / name
        return found

    def _list_names(self, folder: Path, required: bool) -> set[str]:
        try:
            return set(os.listdir(folder))
        except OSError as error:
            if isinstance(error, FileNotFoundError | NotADirectoryError) and not required:
                return set()
            raise OSError(
                f"{self.title} needs a folder that can be read, got '{error.strerror}' for "
                f"{folder}: correct --data-root (root=) or {ROOT_VARIABLE}."
            ) from error

    def _read_files(self, paths: Mapping[str, Path]) -> Dataset:
        def read(images: str, labels: str):
            checksums = self.checksums[images], self.checksums[labels]
            x, y = idx.read_pair(paths[images], paths[labels], checksums)
            return x[..., None], y

        return Dataset(*read(*FILES[:2]), *read(*FILES[2:]), classes=10)
