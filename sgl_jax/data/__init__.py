"""The catalogue of data sets: one file each, one line each here.

- ``digits``, ``fashion_mnist``, ``mnist``: the data sets;
- ``_base``: the contract of a data set, and the batches that are drawn from it;
- ``_idx_source``: data sets published as the four IDX files of MNIST, found or downloaded;
- ``_download``: a published file, from the first mirror that has it;
- ``_idx``: the IDX format.
"""

from collections.abc import Callable

from sgl_jax.data import digits, fashion_mnist, mnist
from sgl_jax.data._base import (
    Dataset as Dataset,
    batch_indices as batch_indices,
    take_batch as take_batch,
)


__all__ = ["DATASETS", "Dataset", "batch_indices", "take_batch"]

DATASETS: dict[str, Callable[..., Dataset]] = {
    "digits": digits.load,
    "fashion_mnist": fashion_mnist.load,
    "mnist": mnist.load,
}
"""The loader of every data set by its name, sorted; the contract is in :mod:`._base`."""
