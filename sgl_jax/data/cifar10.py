"""CIFAR-10: 60,000 colour pictures of ten kinds of animals and vehicles, 32x32 pixels."""

import os

from sgl_jax.data._base import Dataset
from sgl_jax.data._cifar import CifarSource, Normalization


__all__ = ["SOURCE", "load"]

SOURCE = CifarSource(
    title="CIFAR-10",
    folders=("cifar-10-batches-bin", "cifar10"),
    mirrors=("https://www.cs.toronto.edu/~kriz/",),
    checksums={
        "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
        "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
        "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
        "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
        "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
        "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
    },
    archive="cifar-10-binary.tar.gz",
    archive_checksum="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    labels=1,
    classes=10,
    names=(
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ),
    mean=(125.3, 123.0, 113.9),
    std=(63.0, 62.1, 66.7),
)
"""The files of CIFAR-10."""


def load(
    root: str | os.PathLike[str] | None = None,
    download: bool = False,
    normalization: Normalization = "own",
) -> Dataset:
    """Loads the 50,000 training and 10,000 test images of CIFAR-10, in published order.

    Args:
      root: the folder of ``data_batch_1.bin``, ..., ``data_batch_5.bin``, ``test_batch.bin``, or
        one with a subfolder ``cifar-10-batches-bin`` of them; without it, the environment variable
        ``SGL_JAX_DATA`` names the folder.
      download: if true, missing files are fetched, in an archive of 170 MB.
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
