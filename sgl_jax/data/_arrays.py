"""Data sets of a user's own: a path, arrays with any labels, and a word on their size."""

import logging
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sgl_jax.data._base import Dataset


__all__ = ["announce", "locate", "make_dataset"]

_log = logging.getLogger(__name__)


def locate(path: str | os.PathLike[str], root: str | os.PathLike[str] | None) -> Path:
    """Locates a path, which starts at the root if it is relative and there is one."""
    return Path(os.path.expanduser(root or "."), os.path.expanduser(path))


def announce(path: Path, images: int, shape: Sequence[int]) -> None:
    """Logs number, shape and memory of images before they are loaded.

    Args:
      path: where they are.
      images: number of images to train and to test on.
      shape: shape of an image, of one byte per value.
    """
    size = images * math.prod(shape) / 2**20
    words = "x".join(map(str, shape))
    _log.info("Loading %s images of %s from %s, %.1f MiB.", f"{images:,}", words, path, size)


def make_dataset(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    path: Path,
    names: Sequence[str] = (),
) -> Dataset:
    """Makes a data set of arrays; the distinct labels, in ascending order, become 0, 1, 2, ...

    Args:
      train: uint8 images ``(n, height, width)`` or ``(n, height, width, channels)``, and integer
        labels ``(n,)`` or ``(n, 1)``.
      test: likewise.
      path: where they come from, for messages.
      names: names of the labels in ascending order; by default the labels themselves.

    Raises:
      ValueError: the arrays are no images and labels, or do not fit together.
    """
    (x_train, y_train), (x_test, y_test) = (_check_part(*part, path) for part in (train, test))
    if x_train.shape[1:] != x_test.shape[1:]:
        raise ValueError(
            f"Images to train and to test on need one shape, got {x_train.shape[1:]} and "
            f"{x_test.shape[1:]} in {path}: resize one of them."
        )
    labels = np.unique(y_train)
    strange = np.setdiff1d(y_test, labels)
    if len(labels) < 2 or len(strange):
        found = f"the label {strange[0]} only in the test" if len(strange) else len(labels)
        raise ValueError(
            f"Training images need two classes or more, and all that are tested, got {found} in "
            f"{path}: complete the training images."
        )
    y_train, y_test = (np.searchsorted(labels, y).astype(np.int32) for y in (y_train, y_test))
    words = tuple(names or map(str, labels.tolist()))
    return Dataset(x_train, y_train, x_test, y_test, len(labels), words)


def _check_part(x: np.ndarray, y: np.ndarray, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Checks images and labels; gives images a channel and labels a single axis."""
    x = x[..., None] if x.ndim == 3 else x
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if x.dtype != np.uint8 or x.ndim != 4 or not x.size:
        raise ValueError(
            "Images need to be uint8 of shape (n, height, width) or (n, height, width, channels), "
            f"got {x.dtype} of shape {x.shape} in {path}: convert them to 0, ..., 255."
        )
    if not np.issubdtype(y.dtype, np.integer) or y.shape != x.shape[:1]:
        raise ValueError(
            f"{len(x)} images need as many integer labels, got {y.dtype} of shape {y.shape} in "
            f"{path}: give one label per image."
        )
    return x, y
