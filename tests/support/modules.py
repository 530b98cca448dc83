"""Flax modules with dead channels."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from sgl_jax._util.pytree import flatten_by_path
from support.networks import NETWORKS, kill, narrow_by_hand, narrow_widths


X = jax.random.normal(jax.random.key(3), (5, 4))


def killed(name):
    """A network of the zoo with dead channels, the same without them, and images."""
    spec = NETWORKS[name]
    params, dead = kill(spec, spec.build()[1], seed=0, share=0.5)
    hand = narrow_by_hand(spec, params, dead)
    narrow = spec.make.module(narrow_widths(spec, dead), hand)
    x = spec.inputs(2, seed=1)
    return spec.make.module(spec.widths, params), narrow, x


def leaves(module):
    return flatten_by_path(nnx.state(module) if isinstance(module, nnx.Module) else module)[0]


def assert_same_state(found, expected):
    """Asserts that two states have the same leaves; random keys by their numbers."""
    found, expected = leaves(found), leaves(expected)
    assert list(found) == list(expected)
    for path, leaf in expected.items():
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf, found[path] = jax.random.key_data(leaf), jax.random.key_data(found[path])
        np.testing.assert_array_equal(found[path], leaf, err_msg=path)


def dense(width=8, norm=lambda width, rngs: nnx.Dropout(0.5, rngs=rngs), cls=None):
    """Two dense layers with something between them, the first three units of which are dead."""
    net = (cls or Dense)(width, norm)
    for layer in (net.fc1, net.norm):
        for name in ("kernel", "scale", "bias"):
            leaf = getattr(layer, name, None)
            if leaf is not None:
                leaf[...] = leaf[...].at[..., :3].set(0.0)
    return net


class Dense(nnx.Module):
    def __init__(self, width, norm):
        rngs = nnx.Rngs(0)
        self.fc1 = nnx.Linear(4, width, rngs=rngs)
        self.norm = norm(width, rngs)
        self.fc2 = nnx.Linear(width, 2, rngs=rngs)

    def __call__(self, x):
        return self.fc2(nnx.relu(self.norm(self.fc1(x))))
