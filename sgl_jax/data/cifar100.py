"""CIFAR-100: 60,000 colour pictures of a hundred kinds of things, 32x32 pixels."""

import os

from sgl_jax.data._base import Dataset
from sgl_jax.data._cifar import CifarSource, Normalization


__all__ = ["SOURCE", "load"]

SOURCE = CifarSource(
    title="CIFAR-100",
    folders=("cifar-100-binary", "cifar100"),
    mirrors=("https://www.cs.toronto.edu/~kriz/",),
    checksums={
        "train.bin": "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29",
        "test.bin": "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a",
    },
    archive="cifar-100-binary.tar.gz",
    archive_checksum="58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
    labels=2,
    classes=100,
    names=(),
    mean=(129.3, 124.1, 112.4),
    std=(68.2, 65.4, 70.4),
)
"""The files of CIFAR-100; of the two labels of a record, the second is the class."""


def load(
    root: str | os.PathLike[str] | None = None,
    download: bool = False,
    normalization: Normalization = "own",
) -> Dataset:
    """Loads the 50,000 training and 10,000 test images of CIFAR-100, in published order.

    Args:
      root: the folder of the binary files ``train.bin`` and ``test.bin``, or one with a subfolder
        ``cifar-100-binary`` of them; without it, the environment variable ``SGL_JAX_DATA``
        names the folder.
      download: if true, missing files are fetched, in an archive of 169 MB.
      normalization: mean and standard deviation by which models standardise the channels: those of
        the training images (``own``), those of ImageNet (``imagenet``), or none.

    Raises:
      ImportError: if pooch is needed for a download and is not installed.
      OSError: if a folder or file is missing, cannot be read or written, or not be fetched.
      ValueError: if there is no root, an unknown normalization, or a file is not what it should be.

    References:
      Krizhevsky: Learning multiple layers of features from tiny images, 2009.
    """
    return SOURCE.load(root, download, normalization)
