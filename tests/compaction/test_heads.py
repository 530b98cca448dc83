"""Attention loses heads and head dimensions, whichever are dead, flat or on axes of their own."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from support.attention import HEADS, SHARED, SIZE, VALUE, X, attention, drawn, flattened
from support.tiers import usual
from support.two_layers import gradient

import sgl_jax as sgl


HERE = {"heads": (0, 2, 3), "dimensions": (1,), "value_dimensions": (0,)}
"""What is left where some of all are dead."""

HELD = {"repeated": (2, 3), "broadcast": (2, 3), "grouped": (2, 3), "tiled": (1, 3)}
"""The heads that are left without one of the shared keys and values."""

CASES = list(itertools.product(SHARED, (True, False), (True, False), (True, False)))
USUAL = [
    ("own", True, True, True),
    ("own", True, False, True),
    ("own", False, True, True),
    ("repeated", True, True, False),
    ("grouped", True, True, True),
    ("one", True, True, True),
]


def killed(sharing, flat, heads, dimensions):
    """Kernels with dead heads or dead dimensions, and what is left of each kernel by hand."""
    wide = drawn(sharing, flat=False)
    left = HERE["heads"] if sharing in ("own", "one") else HELD[sharing]
    left, sizes, values = left if heads else range(HEADS), range(SIZE), range(VALUE)
    shared = range(SHARED[sharing])
    if heads and sharing == "own":
        shared = left
    elif heads and sharing != "one":
        shared = (1,)
    if dimensions:
        sizes, values = HERE["dimensions"], HERE["value_dimensions"]
    kept = {"q": (left, sizes), "k": (shared, sizes), "v": (shared, values), "o": (left, values)}
    dead = {name: np.array(kernel) for name, kernel in wide.items()}
    for name in {"own": "v", "one": "o"}.get(sharing, "v") if heads else "":
        axis = 0 if name == "o" else 1
        gone = np.delete(np.arange(dead[name].shape[axis]), list(kept[name][0]))
        dead[name][(slice(None),) * axis + (gone,)] = 0
    for name in "qv" if dimensions else "":
        dead[name][:, :, np.delete(np.arange(dead[name].shape[2]), list(kept[name][1]))] = 0

    def narrow(name, kernel):
        start = 0 if name == "o" else 1
        for axis, positions in enumerate(kept[name], start=start):
            kernel = np.take(kernel, list(positions), axis=axis)
        return flattened(name, kernel) if flat else kernel

    small = {name: narrow(name, kernel) for name, kernel in dead.items()}
    full = {name: jnp.asarray(flattened(name, k) if flat else k) for name, k in dead.items()}
    return (
        full,
        small,
        lambda grads: {
            name: narrow(name, np.reshape(grad, wide[name].shape)) for name, grad in grads.items()
        },
    )


@pytest.mark.parametrize("case", usual([case for case in CASES if any(case[2:])], USUAL))
@pytest.mark.usefixtures("double")
def test_dead_heads_and_dimensions_go(case):
    sharing, flat, heads, dimensions = case
    apply = attention(sharing, flat)
    params, expected, narrow = killed(sharing, flat, heads, dimensions)
    params = {name: jnp.asarray(kernel, float) for name, kernel in params.items()}
    small = sgl.compact(apply, params, X)
    for name, kernel in expected.items():
        np.testing.assert_array_equal(small.params[name], kernel)
    x = np.random.default_rng(2).standard_normal((1, 7, X.shape[2]))
    np.testing.assert_allclose(small.apply(small.params, x), apply(params, x), rtol=0, atol=1e-12)
    found, full = gradient(small.apply, x)(small.params), gradient(apply, x)(params)
    for name, grad in narrow(full).items():
        np.testing.assert_allclose(found[name], grad, rtol=0, atol=1e-12)


def test_network_that_merges_heads_with_its_batch_is_exported_for_any():
    def apply(params, x):
        batch, tokens = x.shape[:2]
        parts = (x @ params["w"]).reshape(batch, tokens, 3, HEADS, SIZE).transpose(2, 0, 3, 1, 4)
        q, k, v = parts.reshape(3, batch * HEADS, tokens, SIZE)
        mixed = jax.nn.softmax(q @ k.transpose(0, 2, 1)) @ v
        mixed = mixed.reshape(batch, HEADS, tokens, SIZE).transpose(0, 2, 1, 3)
        return mixed.reshape(batch, tokens, -1) @ params["o"]

    generator = np.random.default_rng(3)
    params = {"w": generator.standard_normal((2, 3, HEADS, SIZE)), "o": np.ones((12, 2))}
    params["w"][:, 2, 1] = 0
    params["w"] = params["w"].reshape(2, -1)
    params = {name: jnp.asarray(kernel, jnp.float32) for name, kernel in params.items()}
    x = jnp.asarray(generator.standard_normal((3, 5, 2)), jnp.float32)
    small = sgl.compact(apply, params, x)
    assert small.params["w"].shape == (2, 27)
    any_batch = jax.ShapeDtypeStruct((*export.symbolic_shape("b"), 5, 2), jnp.float32)
    exported = export.export(jax.jit(small.apply))(small.params, any_batch)
    np.testing.assert_allclose(
        exported.call(small.params, x[:2]), apply(params, x[:2]), rtol=0, atol=1e-5
    )
