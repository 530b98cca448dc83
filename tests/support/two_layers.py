"""Two dense layers with a dead unit between them, and their gradients."""

import jax
import jax.numpy as jnp
import numpy as np


X = jax.random.normal(jax.random.key(5), (4, 3))


def drawn(seed=0, dtype=np.float32):
    """Two layers; the second unit is dead, and the third is zero wherever the input is."""
    generator = np.random.default_rng(seed)
    shapes = {"a": (3, 5), "b": (1, 5), "c": (5, 2)}
    params = {k: jnp.asarray(generator.standard_normal(s), dtype) for k, s in shapes.items()}
    params["a"] = params["a"].at[:, 1].set(0)
    params["b"] = params["b"].at[0, 1:3].set(0)
    return params


def between(activation):
    return lambda params, x: activation(x @ params["a"] + params["b"]) @ params["c"]


def assert_close(found, expected, rtol=1e-5):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert one.dtype == other.dtype
        one, other = np.asarray(one, float), np.asarray(other, float)
        np.testing.assert_allclose(one, other, rtol=0, atol=rtol * max(abs(other).max(), 1e-30))


def gradient(apply, *inputs):
    return jax.grad(lambda params: jnp.sum(jnp.sin(apply(params, *inputs))))
