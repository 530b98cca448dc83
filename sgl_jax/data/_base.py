"""The contract of a data set, and the batches that are drawn from it.

A data set is a function ``load() -> Dataset`` without required arguments. One that is published
in files takes the folder as the keyword ``root`` (``None``: the environment variable
``SGL_JAX_DATA`` names it) and, as ``download=True``, leave to fetch what is missing there. A file
that cannot be found, read, written or fetched is an ``OSError``, an argument or a file that is not
accepted a ``ValueError``, a package that is missing an ``ImportError``, each of one sentence.

One that reads a user's own files takes their path as its only required argument, ``load(path)``,
and as the keyword ``root`` the folder in which a relative path starts. Its name in a config is
followed by the path: ``npz:FILE``. If it can convert images, it takes the shape as ``image_shape``.

``sgl-jax list`` shows the first line of the function's docstring.

Images stay uint8 in memory, as they were published: the device normalises the batch at hand, so a
data set costs a quarter of its float copy, and a batch depends on a key alone.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Int32, PRNGKeyArray, UInt8


__all__ = ["Dataset", "batch_indices", "take_batch"]


class Dataset(NamedTuple):
    """Images and labels in memory, split for training and testing once and for all.

    Attributes:
      x_train: images ``(n, height, width, channels)``; 0 and 255 both occur.
      y_train: labels ``(n,)``, each from 0 to ``classes - 1``; every class occurs in both parts.
      x_test: images no training step may see.
      y_test: their labels.
      classes: number of classes.
      names: names of the classes ``0, 1, ...`` in words; empty where numbers are all there is.
      mean: mean of each channel that models subtract from images in [0, 1]; empty where they do
        not standardise.
      std: standard deviation by which they divide, likewise.
    """

    x_train: UInt8[np.ndarray, "n height width channels"]
    y_train: Int32[np.ndarray, "n"]
    x_test: UInt8[np.ndarray, "m height width channels"]
    y_test: Int32[np.ndarray, "m"]
    classes: int
    names: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


def batch_indices(key: PRNGKeyArray, size: int, batch_size: int) -> Int[Array, "steps batch"]:
    """Draws the order of one epoch: a row of indices per step, no index twice.

    Rows have one length, so that the step compiles once; the ``size % batch_size`` examples that
    fill no row sit this epoch out, others in each epoch.

    Args:
      key: draws the order.
      size: number of examples.
      batch_size: examples per step, 1 to ``size``.

    Raises:
      ValueError: if ``batch_size`` is out of range.
    """
    if not 1 <= batch_size <= size:
        raise ValueError(
            f"A batch needs 1 to {size} examples, as many as there are, got {batch_size}: "
            "choose another batch size."
        )
    steps = size // batch_size
    return jax.random.permutation(key, size)[: steps * batch_size].reshape(steps, batch_size)


def take_batch(
    x: UInt8[Array, "n height width channels"],
    y: Int32[Array, "n"],
    indices: Int[Array, "batch"],
) -> tuple[Float[Array, "batch height width channels"], Int32[Array, "batch"]]:
    """Takes the examples at ``indices``, the images as float32 in [0, 1]."""
    return x[indices].astype(jnp.float32) / 255, y[indices]
