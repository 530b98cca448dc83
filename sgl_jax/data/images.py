"""A folder of images of one's own, with a subfolder for each class."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sgl_jax._util.packages import name_extra
from sgl_jax._util.signals import raise_if_stopped
from sgl_jax.data._arrays import announce, locate, make_dataset
from sgl_jax.data._base import Dataset


__all__ = ["load"]

ENDINGS = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
"""Endings of images; other files, such as notes or thumbnails, are passed over."""

TEST_FOLDERS = ("test", "val", "valid", "validation")
"""Names of the folder of test images beside ``train``, the likeliest first."""

TEST_EVERY = 5
"""Without such folders one in five images of a class is held out to test on."""

MODES = {"1": 1, "L": 1, "LA": 1, "P": 3, "PA": 3, "RGB": 3, "RGBA": 3, "CMYK": 3, "YCbCr": 3}
"""Channels of an image by its mode in Pillow; transparency is dropped."""

Labelled = list[tuple[Path, int]]


def load(
    path: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    image_shape: tuple[int, int, int] | None = None,
) -> Dataset:
    """Loads images from a folder per class, in train/ and test/ or by themselves: images:FOLDER.

    ``FOLDER/train/CLASS/*`` and ``FOLDER/test/CLASS/*`` (or ``val``, ``valid``, ``validation``) are
    images to train and to test on. Without a folder ``train``, the classes are the folders in
    ``FOLDER``, and of each class every fifth image, in the order of the names, is a test image.
    Classes are numbered in the order of their names. Grey images have one channel; if any image has
    colours, all get three.

    Args:
      path: the folder.
      root: the folder in which a relative path starts; the current one without it.
      image_shape: height, width and channels (1 is grey, 3 are colours) that images are converted
        to; without it, all need to have one size.

    Raises:
      ImportError: if Pillow is not installed.
      OSError: if a folder is missing or cannot be read.
      ValueError: if there are no classes or images, or an image cannot be taken.
    """
    folder = locate(path, root)
    classes, train, test = _find_parts(folder)
    shape = _find_shape([file for file, _ in (*train, *test)], image_shape)
    announce(folder, len(train) + len(test), shape)
    return make_dataset(_read(train, shape), _read(test, shape), folder, classes)


def _find_parts(folder: Path) -> tuple[list[str], Labelled, Labelled]:
    """Finds the classes, and the files to train and to test on, with the number of their class."""
    train = folder / "train" if (folder / "train").is_dir() else folder
    classes = _list_folders(train)
    files = {name: _list_images(train / name) for name in classes}
    if train == folder:
        held = slice(TEST_EVERY // 2, None, TEST_EVERY)
        tested = {name: of_class[held] for name, of_class in files.items()}
        files = {n: sorted({*of_class} - {*tested[n]}) for n, of_class in files.items()}
    else:
        there = [folder / name for name in TEST_FOLDERS if (folder / name).is_dir()]
        if not there:
            raise FileNotFoundError(
                f"A folder with train needs a folder {' or '.join(TEST_FOLDERS)} beside it, got "
                f"none in {folder}: add one, or put the classes into {folder} itself."
            )
        _check_classes(_list_folders(there[0]), classes, there[0])
        tested = {name: _list_images(there[0] / name) for name in _list_folders(there[0])}
    return classes, _number(files, classes), _number(tested, classes)


def _number(files: dict[str, list[Path]], classes: Sequence[str]) -> Labelled:
    return [(f, classes.index(name)) for name, of_class in files.items() for f in of_class]


def _list_folders(folder: Path) -> list[str]:
    """Lists the classes in a folder."""
    try:
        names = sorted(each.name for each in folder.iterdir() if each.is_dir())
    except OSError as error:
        raise OSError(
            f"A data set needs a folder that can be read, got '{error.strerror}' for {folder}: "
            "correct the path behind images:."
        ) from error
    names = [name for name in names if not name.startswith(".")]
    if len(names) < 2:
        raise ValueError(
            f"A folder of images needs a folder for each of two classes or more, got {len(names)} "
            f"in {folder}: sort the images into folders named by class."
        )
    return names


def _check_classes(found: Sequence[str], classes: Sequence[str], folder: Path) -> None:
    for name in found:
        if name not in classes:
            raise ValueError(
                f"Test images need the classes of the training images, got {name!r} in {folder}: "
                "add training images of that class."
            )


def _list_images(folder: Path) -> list[Path]:
    """Lists the images of a class, in the order of their names."""
    found = sorted(f for f in folder.iterdir() if f.suffix.lower() in ENDINGS and f.name[0] != ".")
    if not found:
        raise ValueError(
            f"A class needs images ({', '.join(sorted(ENDINGS))}), got none in {folder}: add some, "
            "or delete the folder."
        )
    return found


def _find_shape(files: Sequence[Path], wanted: tuple[int, int, int] | None) -> tuple[int, int, int]:
    """Finds height, width and channels from the heads of the files, before any is decoded."""
    if wanted is not None:
        return wanted
    heads = [_read_head(file) for file in files]
    for file, (size, _) in zip(files, heads, strict=True):
        if size != heads[0][0]:
            raise ValueError(
                f"Images need one size, got {_describe(heads[0][0])} in {files[0]} and "
                f"{_describe(size)} in {file}: resize all by --image-shape HEIGHT WIDTH CHANNELS "
                "(image_shape=)."
            )
    (width, height), _ = heads[0]
    return height, width, max(channels for _, channels in heads)


def _describe(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"


def _read_head(file: Path) -> tuple[tuple[int, int], int]:
    """Reads width and height, and the number of channels."""
    raise_if_stopped()
    with _open(file) as image:
        return image.size, MODES[image.mode]


def _read(files: Iterable[tuple[Path, int]], shape: tuple[int, int, int]) -> tuple[Any, Any]:
    """Reads images and labels."""
    files = list(files)
    x = np.empty((len(files), *shape), np.uint8)
    for row, (file, _) in enumerate(files):
        raise_if_stopped()
        x[row] = _decode(file, shape)
    return x, np.array([label for _, label in files], np.int32)


def _decode(file: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """Decodes an image, bilinearly resized if it is of another size."""
    height, width, channels = shape
    with _open(file) as image:
        try:
            pixels = image.convert("L" if channels == 1 else "RGB")
        except (OSError, SyntaxError, ValueError) as error:
            raise _make_image_error(file, error) from error
        if pixels.size != (width, height):
            pixels = pixels.resize((width, height), _import_pillow().Resampling.BILINEAR)
        return np.asarray(pixels, np.uint8).reshape(shape)


def _open(file: Path) -> Any:
    """Opens an image, which reads its head."""
    pillow = _import_pillow()
    try:
        image = pillow.open(file)
    except (OSError, ValueError, pillow.DecompressionBombError) as error:
        raise _make_image_error(file, error) from error
    if image.mode not in MODES:
        image.close()
        raise _make_image_error(file, ValueError(f"mode {image.mode}"))
    return image


def _make_image_error(file: Path, error: Exception) -> ValueError:
    return ValueError(
        f"{file} needs to be an image of 8 bits per value that can be read, got "
        f"'{str(error).partition(chr(10))[0]}': replace or delete it."
    )


def _import_pillow() -> Any:
    with name_extra("A folder of images needs Pillow", "images"):
        from PIL import Image
    return Image
