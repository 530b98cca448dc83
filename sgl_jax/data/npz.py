"""Images and labels of one's own in an NPZ file of NumPy."""

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from sgl_jax.data._arrays import announce, locate, make_dataset
from sgl_jax.data._base import Dataset


__all__ = ["load"]

KEYS = ("x_train", "y_train", "x_test", "y_test")
"""The arrays, named as in Keras' ``mnist.npz``."""


def load(path: str | os.PathLike[str], root: str | os.PathLike[str] | None = None) -> Dataset:
    """Loads x_train, y_train, x_test, y_test from an NPZ file: npz:FILE.

    Images are uint8 of shape ``(n, height, width)`` or ``(n, height, width, channels)``, labels
    integers; the distinct labels become 0, 1, 2, ... in ascending order.

    Args:
      path: the file, as ``numpy.savez`` writes it.
      root: the folder in which a relative path starts; the current one without it.

    Raises:
      OSError: if the file cannot be read.
      ValueError: if it is no NPZ file, lacks an array, or its arrays are no images and labels.
    """
    file = locate(path, root)
    try:
        _read_heads(file)
        with np.load(file, allow_pickle=False) as arrays:
            x_train, y_train, x_test, y_test = (arrays[key] for key in KEYS)
    except OSError as error:
        raise OSError(
            f"A data set needs a file that can be read, got '{error.strerror or error}' for "
            f"{file}: correct the path behind npz:."
        ) from error
    except KeyError as error:
        raise ValueError(
            f"A data set needs the arrays {', '.join(KEYS)}, got no {error.args[0]} in {file}: "
            "write it with numpy.savez."
        ) from error
    except (EOFError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"A data set needs a whole NPZ file of plain arrays, got '{error}' for {file}: write "
            "it with numpy.savez."
        ) from error
    return make_dataset((x_train, y_train), (x_test, y_test), file)


def _read_heads(file: Path) -> None:
    """Announces the images by the heads of their arrays; a missing array is a ``KeyError``."""
    shapes = {}
    with zipfile.ZipFile(file) as archive:
        for key in KEYS:
            if f"{key}.npy" not in archive.namelist():
                raise KeyError(key)
            with archive.open(f"{key}.npy") as array:
                shapes[key] = _read_shape(array)
    x_train, x_test = shapes[KEYS[0]], shapes[KEYS[2]]
    announce(file, x_train[0] + x_test[0] if x_train and x_test else 0, x_train[1:])


def _read_shape(array: Any) -> tuple[int, ...]:
    """Reads the shape of an array from the head of its file."""
    version = np.lib.format.read_magic(array)
    read = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
    return read[version[0]](array)[0]
