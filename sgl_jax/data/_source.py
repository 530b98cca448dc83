"""Data sets published as files: found in a folder by their names, or fetched into it."""

import abc
import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from sgl_jax.data._base import Dataset


__all__ = ["ROOT_VARIABLE", "Source"]

ROOT_VARIABLE = "SGL_JAX_DATA"
"""The environment variable that names the folder of data sets."""


@dataclasses.dataclass(frozen=True)
class Source(abc.ABC):
    """A data set in files that are recognised by their checksums.

    Several data sets use the same names. So a file is known by its contents: a folder of
    Fashion-MNIST does not pass for MNIST.

    Attributes:
      title: the name of the data set in messages.
      folders: subfolders of the root where the files may lie, the likeliest first; they come before
        the root itself.
      mirrors: URLs of folders that serve the files, tried in this order.
      checksums: :func:`sgl_jax.data._idx.compute_checksum` of each file by its name, those to train
        on first.
    """

    title: str
    folders: tuple[str, ...]
    mirrors: tuple[str, ...]
    checksums: Mapping[str, str]

    def find(
        self, root: str | os.PathLike[str] | None = None, download: bool = False
    ) -> dict[str, Path]:
        """Finds the files, and fetches those that are missing; returns their paths by name.

        Args:
          root: the folder with the files, gzipped or not, in it or in one of ``folders``; without
            it, the environment variable ``SGL_JAX_DATA`` names the folder.
          download: if true, missing files are fetched; they go beside those that are
            there, or to the first of ``folders``.

        Raises:
          ImportError: if pooch is needed for a download and is not installed.
          OSError: if a folder or file is missing, cannot be read or written, or not be fetched.
          ValueError: if there is no root.
        """
        folder = self._choose_root(root)
        paths = self._find_files(folder, download)
        missing = [file for file in self.checksums if file not in paths]
        if missing and not download:
            raise FileNotFoundError(
                f"{self.title} needs its files, got no {', '.join(missing)} (nor .gz) in {folder} "
                f"or its subfolder {self.folders[0]}: put them there, or add --download "
                "(download=True)."
            )
        target = next((path.parent for path in paths.values()), folder / self.folders[0])
        return paths | (self.fetch(missing, target) if missing else {})

    @abc.abstractmethod
    def load(self, root: str | os.PathLike[str] | None = None, download: bool = False) -> Dataset:
        """Finds and reads the files; arguments and errors as of :meth:`find`.

        Raises:
          ValueError: a file is not what it should be, too.
        """

    @abc.abstractmethod
    def fetch(self, files: Sequence[str], folder: Path) -> dict[str, Path]:
        """Fetches files into a folder; returns their paths by name."""

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
            for file in self.checksums:
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
