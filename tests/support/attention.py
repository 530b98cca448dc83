"""Attention of four heads, with keys and values for each of them, for pairs or for all."""

import jax
import jax.numpy as jnp
import numpy as np


FEATURES, HEADS, SIZE, VALUE, OUTPUTS = 5, 4, 3, 2, 6
X = np.random.default_rng(0).standard_normal((2, 4, FEATURES))

SHARED = {"own": HEADS, "repeated": 2, "broadcast": 2, "grouped": 2, "tiled": 2, "one": 1}
"""For every way of sharing keys and values the number of those."""


def drawn(sharing, flat):
    """The kernels of queries, keys, values and outputs, (in, heads, size) or flat."""
    generator = np.random.default_rng(1)
    shared = SHARED[sharing]
    shapes = {
        "q": (FEATURES, HEADS, SIZE),
        "k": (FEATURES, shared, SIZE),
        "v": (FEATURES, shared, VALUE),
        "o": (HEADS, VALUE, OUTPUTS),
    }
    kernels = {name: generator.standard_normal(shape) for name, shape in shapes.items()}
    return {name: jnp.asarray(flattened(name, k) if flat else k) for name, k in kernels.items()}


def flattened(name, kernel):
    """A kernel of two axes, from one of three."""
    first = kernel.shape[0] * kernel.shape[1] if name == "o" else kernel.shape[0]
    return kernel.reshape(first, -1)


def attention(sharing, flat):
    """A function of the kernels and of tokens."""
    shared = SHARED[sharing]

    def projected(x, kernel, heads):
        if flat:
            return (x @ kernel).reshape(*x.shape[:2], heads, -1)
        return jnp.einsum("btf,fhd->bthd", x, kernel)

    def apply(params, x):
        q = projected(x, params["q"], HEADS)
        k, v = (projected(x, params[name], shared) for name in "kv")
        mixed = _mixed(sharing, q, k, v)
        if flat:
            return mixed.reshape(*x.shape[:2], -1) @ params["o"]
        return jnp.einsum("bthd,hdo->bto", mixed, params["o"])

    return apply


def _mixed(sharing, q, k, v):
    """What the heads make of queries, keys and values."""
    if sharing == "one":
        weights = jax.nn.softmax(jnp.einsum("bihd,bjd->bhij", q, k[:, :, 0]))
        return jnp.einsum("bhij,bjd->bihd", weights, v[:, :, 0])
    if sharing == "grouped":
        q = q.reshape(*q.shape[:2], k.shape[2], -1, q.shape[3])
        weights = jax.nn.softmax(jnp.einsum("bikgd,bjkd->bkgij", q, k))
        return jnp.einsum("bkgij,bjkd->bikgd", weights, v).reshape(*q.shape[:2], HEADS, -1)
    if sharing == "repeated":
        k, v = (jnp.repeat(x, HEADS // x.shape[2], axis=2) for x in (k, v))
    if sharing in ("broadcast", "tiled"):
        at = 3 if sharing == "broadcast" else 2
        k, v = (jnp.repeat(jnp.expand_dims(x, at), 2, axis=at) for x in (k, v))
        k, v = (x.reshape(*x.shape[:2], HEADS, -1) for x in (k, v))
    weights = jax.nn.softmax(jnp.einsum("bihd,bjhd->bhij", q, k))
    return jnp.einsum("bhij,bjhd->bihd", weights, v)
