"""Small networks with dead channels, to be compacted and put on disk."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from sgl_jax.train import split
from support.tiny import bits


IMAGES = jax.random.normal(jax.random.key(7), (5, 6, 6, 1))


class Noisy(nnx.Module):
    """A network with random streams and running statistics; two of its six filters are dead."""

    def __init__(self, width=6):
        rngs = nnx.Rngs(0)
        self.conv = nnx.Conv(1, width, (3, 3), padding="VALID", rngs=rngs)
        self.norm = nnx.BatchNorm(width, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.fc = nnx.Linear(4 * width, 2, rngs=rngs)
        for leaf in (self.conv.kernel, self.conv.bias, self.norm.scale, self.norm.bias):
            leaf[...] = leaf[...].at[..., 2:4].set(0)

    def __call__(self, images):
        x = self.dropout(nnx.relu(self.norm(self.conv(images))))
        return self.fc(nnx.max_pool(x, (2, 2), (2, 2)).reshape(x.shape[0], -1))


def of_dict(params, x):
    return jnp.maximum(x @ params["b"] + params["a"], 0.0) @ params["c"]


def full_noisy():
    network, params, rest = split(Noisy())
    return network.apply, (params, rest), IMAGES


def full_dict(dtype):
    x = jax.random.normal(jax.random.key(1), (5, 3), dtype)
    params = {
        "a": jnp.zeros((1, 4), dtype),
        "b": jnp.ones((3, 4), dtype).at[:, 1].set(0),
        "c": jax.random.normal(jax.random.key(0), (4, 2), dtype),
    }
    return of_dict, params, x


NETWORKS = {
    "flax": full_noisy,
    "float32": lambda: full_dict("float32"),
    "bfloat16": lambda: full_dict("bfloat16"),
}


def assert_same(found, small, x):
    assert jax.tree.structure(found.params) == jax.tree.structure(small.params)
    assert bits(found.params) == bits(small.params)
    assert (found.plan, found.report, found.inputs) == (small.plan, small.report, small.inputs)
    np.testing.assert_array_equal(found.apply(found.params, x), small.apply(small.params, x))
