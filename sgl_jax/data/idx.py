"""Four IDX files of one's own: KMNIST, EMNIST, or any others of this form."""

import os
from collections.abc import Sequence
from pathlib import Path

from sgl_jax.data import _idx as reader
from sgl_jax.data._arrays import locate, make_dataset
from sgl_jax.data._base import Dataset


__all__ = ["load"]

TRAIN, TEST = ("train",), ("t10k", "test")
"""Words for the two parts in the usual names of the files."""


def load(path: str | os.PathLike[str], root: str | os.PathLike[str] | None = None) -> Dataset:
    """Loads any four IDX files, gzipped or not, from a folder: idx:FOLDER.

    They are known by their names: ``*train-images*``, ``*train-labels*``, and ``t10k`` or ``test``
    in the place of ``train``. Their contents are taken as they are; the distinct labels become
    0, 1, 2, ... in ascending order.

    Args:
      path: the folder; of several data sets in one folder, ``FOLDER/PREFIX`` names the one whose
        files begin so, as ``emnist/emnist-letters``.
      root: the folder in which a relative path starts; the current one without it.

    Raises:
      OSError: if the folder or a file is missing or cannot be read.
      ValueError: if a file is not what it should be, or several could be meant.

    References:
      Cohen, Afshar, Tapson, van Schaik: EMNIST: an extension of MNIST to handwritten letters, 2017.
      Clanuwat and others: Deep learning for classical Japanese literature, 2018.
    """
    place = locate(path, root)
    folder, prefix = (place, "") if place.is_dir() else (place.parent, place.name)
    try:
        names = sorted(name for name in os.listdir(folder) if name.startswith(prefix))
    except OSError as error:
        raise OSError(
            f"A data set needs a folder that can be read, got '{error.strerror}' for {folder}: "
            "correct the path behind idx:."
        ) from error
    train, test = (
        reader.read_pair(
            folder / _find(place, names, words, "images"),
            folder / _find(place, names, words, "labels"),
        )
        for words in (TRAIN, TEST)
    )
    return make_dataset(train, test, place)


def _find(place: Path, names: Sequence[str], words: Sequence[str], kind: str) -> str:
    """Finds the file of images or labels of one part, unpacked before packed."""
    found = [name for name in names if any(f"{word}-{kind}" in name for word in words)]
    plain = {name.removesuffix(".gz"): name for name in reversed(found)}
    if len(plain) == 1:
        return min(found, key=len)
    wanted = " or ".join(f"{word}-{kind}" for word in words)
    if not plain:
        raise FileNotFoundError(
            f"A data set of IDX files needs a file named *{wanted}*, got none in {place}: correct "
            "the path behind idx:, or rename the file."
        )
    raise ValueError(
        f"A data set of IDX files needs one file named *{wanted}*, got {', '.join(plain)}: say "
        "how its names begin, idx:FOLDER/PREFIX."
    )
