"""MNIST: 70,000 handwritten digits of 28x28 pixels."""

import os

from sgl_jax.data._base import Dataset
from sgl_jax.data._idx_source import IdxSource


__all__ = ["SOURCE", "load"]

SOURCE = IdxSource(
    title="MNIST",
    folders=("mnist", "MNIST/raw"),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    checksums={
        "train-images-idx3-ubyte": (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
        ),
        "train-labels-idx1-ubyte": (
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
        ),
        "t10k-images-idx3-ubyte": (
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
        ),
        "t10k-labels-idx1-ubyte": (
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
        ),
    },
)
"""The files of MNIST; the mirrors hold LeCun's own, which his site serves no more."""


def load(root: str | os.PathLike[str] | None = None, download: bool = False) -> Dataset:
    """Loads the 60,000 training and 10,000 test images of MNIST, in published order.

    Args:
      root: the folder of the four IDX files, gzipped or not, or one with a subfolder ``mnist`` (or
        torchvision's ``MNIST/raw``) of them; without it, the environment variable ``SGL_JAX_DATA``
        names the folder.
      download: if true, missing files are fetched.

    Raises:
      ImportError: if pooch is needed for a download and is not installed.
      OSError: if a folder or file is missing, cannot be read or written, or not be fetched.
      ValueError: if there is no root, or a file is not what it should be.

    References:
      LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition, 1998.
    """
    return SOURCE.load(root, download)
