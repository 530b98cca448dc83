"""The catalogue of data sets: one file each, one line each here."""

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
"""The loader of every data set by its name, sorted; see :mod:`sgl_jax.data._base`."""
