"""Fashion-MNIST: 70,000 pictures of clothes, 28x28 pixels."""

import os

from sgl_jax.data._base import Dataset
from sgl_jax.data._idx_source import IdxSource


__all__ = ["SOURCE", "load"]

SOURCE = IdxSource(
    title="Fashion-MNIST",
    folders=("fashion_mnist", "fashion-mnist", "FashionMNIST/raw"),
    mirrors=(
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    checksums={
        "train-images-idx3-ubyte": (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
        ),
        "train-labels-idx1-ubyte": (
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
        ),
        "t10k-images-idx3-ubyte": (
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
        ),
        "t10k-labels-idx1-ubyte": (
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
        ),
    },
)
"""The files of Fashion-MNIST; Debian's package ``dataset-fashion-mnist`` has them, packed anew, in
``/usr/share/datasets/fashion-mnist``."""


def load(root: str | os.PathLike[str] | None = None, download: bool = False) -> Dataset:
    """Loads the 60,000 training and 10,000 test images of Fashion-MNIST, in published order.

    Args:
      root: the folder of the four IDX files, gzipped or not, or one with a subfolder
        ``fashion_mnist`` (or ``fashion-mnist``, or torchvision's ``FashionMNIST/raw``) of them;
        without it, the environment variable ``SGL_JAX_DATA`` names the folder.
      download: if true, missing files are fetched.

    Raises:
      ImportError: if pooch is needed for a download and is not installed.
      OSError: if a folder or file is missing, cannot be read or written, or not be fetched.
      ValueError: if there is no root, or a file is not what it should be.

    References:
      Xiao, Rasul, Vollgraf: Fashion-MNIST: a novel image dataset for benchmarking machine learning
      algorithms, arXiv:1708.07747, 2017.
    """
    return SOURCE.load(root, download)
