"""The catalogue of data sets: one file each, one line each here.

- ``_base``: the contract of a data set, and the batches that are drawn from it;
- ``_augmentation``: random changes of training images;
- ``_arrays``: data sets of a user's own: the path, the checks, and a word on the size;
- ``_source``: data sets published as files, found or downloaded;
- ``_idx_source``, ``_cifar``: those in the four IDX files of MNIST, or in CIFAR's binary files;
- ``_download``: a published file, from the first mirror that has it;
- ``_idx``: the IDX format.
"""

from collections.abc import Callable

from sgl_jax._util.catalogue import by_file
from sgl_jax.data._augmentation import (
    AUGMENTATIONS as AUGMENTATIONS,
    Augmentation as Augmentation,
    keep as keep,
)
from sgl_jax.data._base import (
    Dataset as Dataset,
    batch_indices as batch_indices,
    take_batch as take_batch,
)
from sgl_jax.data.cifar10 import load as load_cifar10
from sgl_jax.data.cifar100 import load as load_cifar100
from sgl_jax.data.digits import load as load_digits
from sgl_jax.data.fashion_mnist import load as load_fashion_mnist
from sgl_jax.data.idx import load as load_idx
from sgl_jax.data.images import load as load_images
from sgl_jax.data.mnist import load as load_mnist
from sgl_jax.data.npz import load as load_npz


__all__ = [
    "AUGMENTATIONS",
    "DATASETS",
    "Augmentation",
    "Dataset",
    "batch_indices",
    "keep",
    "take_batch",
]

DATASETS: dict[str, Callable[..., Dataset]] = by_file(__name__, globals())
"""Every loader by the name of its file, sorted; the contract is in :mod:`sgl_jax.data._base`."""
