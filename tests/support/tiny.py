"""A network that costs next to nothing, and what runs of it are compared by."""

import contextlib
import resource

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from sgl_jax.data import Dataset


class Tiny(nnx.Module):
    """Two filters and a dense layer on images of 28x28 pixels, of the default precision."""

    filters = 2

    def __init__(self, classes, *, rngs):
        plain = {"strides": 4, "padding": "VALID", "param_dtype": float}
        self.conv = nnx.Conv(1, self.filters, (5, 5), **plain, rngs=rngs)
        self.fc = nnx.Linear(36 * self.filters, classes, param_dtype=float, rngs=rngs)

    def __call__(self, images):
        return self.fc(jax.nn.relu(self.conv(images)).reshape(images.shape[0], -1))


class Wider(Tiny):
    """Three filters."""

    filters = 3


class Normed(nnx.Module):
    """A network with statistics and a random stream."""

    def __init__(self, classes, *, rngs):
        self.norm = nnx.BatchNorm(2, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.fc = nnx.Linear(2, classes, rngs=rngs)

    def __call__(self, images):
        return self.fc(self.dropout(self.norm(images.mean((1, 2)).repeat(2, axis=-1))))


def load_few():
    """600 drawn images to train on, and 100 to test."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (700, 28, 28, 1), np.uint8)
    labels = np.arange(700, dtype=np.int32) % 10
    return Dataset(images[:600], labels[:600], images[600:], labels[600:], classes=10)


class Eight(Tiny):
    """Eight filters."""

    filters = 8


def resumed_after(epoch, folder, config):
    """The run that was stopped after an epoch, in a new folder, and went on to its end."""
    with pytest.raises(ZeroDivisionError):
        folder.train(config, on_epoch=lambda record: 1 / (epoch - record.epoch))
    return folder.train(config, "resume")


def snapshot(folder):
    """Every file below a folder, by its path, with its bytes; folders with none."""
    paths = sorted(folder.rglob("*"))
    return {str(path): path.read_bytes() if path.is_file() else None for path in paths}


@contextlib.contextmanager
def full_disk():
    """No file can grow beyond a few bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def bits(state):
    """Every leaf of a state, by its path, with its type, shape and bytes."""

    def of(leaf):
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return str(leaf.dtype), *of(jax.random.key_data(leaf))
        array = np.asarray(leaf)
        return str(array.dtype), array.shape, array.tobytes()

    keyed, _ = jax.tree_util.tree_flatten_with_path(state)
    return {jax.tree_util.keystr(path): of(leaf) for path, leaf in keyed}
