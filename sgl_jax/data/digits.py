"""Handwritten digits that scikit-learn ships: real data that needs no download."""

import numpy as np
from jaxtyping import Int, UInt8

from sgl_jax._util.packages import name_extra
from sgl_jax.data._base import Dataset


__all__ = ["load", "resize"]

SIDE = 28
"""Height and width of the images, those of MNIST."""

TEST_PER_CLASS = 40
"""Test images of each of the ten classes."""


def load() -> Dataset:
    """Loads the 1,797 digits of scikit-learn at 28x28 pixels: 1,397 to train on, 400 to test.

    The split is fixed: of each class 40 images, evenly spaced in the order of publication, are test
    images. The order goes writer by writer, so a writer's digits are found on both sides.

    Raises:
      ImportError: if scikit-learn is not installed.

    References:
      Alpaydin, Kaynak: Optical recognition of handwritten digits, UCI repository, 1998.
    """
    with name_extra("The digits need scikit-learn", "demo"):
        from sklearn.datasets import load_digits
    images, labels = load_digits(return_X_y=True)
    x = resize(images.reshape(-1, 8, 8).astype(np.int64))[..., None]
    y = labels.astype(np.int32)
    test = _mark_test(y)
    return Dataset(x[~test], y[~test], x[test], y[test], classes=10)


def resize(images: Int[np.ndarray, "n side side"]) -> UInt8[np.ndarray, "n 28 28"]:
    """Resizes square images with values 0 to 16 to 28x28 pixels with values 0 to 255.

    Bilinear between the centres of the pixels, constant beyond the outer ones. The arithmetic is
    that of integers, so the pixels are the same on every machine.
    """
    weights = _compute_bilinear_weights(images.shape[1])
    unit = 16 * weights[0].sum() ** 2
    sums = np.einsum("ia,nab,jb->nij", weights, images, weights)
    return ((2 * 255 * sums + unit) // (2 * unit)).astype(np.uint8)


def _compute_bilinear_weights(side: int) -> Int[np.ndarray, "28 side"]:
    """Computes the weight of each of ``side`` pixels at each of 28 points, in units of 1/56."""
    whole = 2 * SIDE
    # Point i lies at (i + 1/2) * side / 28 - 1/2 pixels, here in units of 1/56 pixel.
    points = (2 * np.arange(SIDE) + 1) * side - SIDE
    points = np.clip(points, 0, whole * (side - 1))
    distance = np.abs(points[:, None] - whole * np.arange(side))
    return np.maximum(whole - distance, 0)


def _mark_test(y: Int[np.ndarray, "n"]) -> np.ndarray:
    """Marks ``TEST_PER_CLASS`` examples per class, evenly spaced within the class."""
    test = np.zeros(len(y), dtype=bool)
    for label in np.unique(y):
        (members,) = np.nonzero(y == label)
        middles = (2 * np.arange(TEST_PER_CLASS) + 1) * len(members) // (2 * TEST_PER_CLASS)
        test[members[middles]] = True
    return test
