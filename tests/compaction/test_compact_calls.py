"""A compacted network is called, compiled, batched and exported like the one it is from."""

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from support.two_layers import X, assert_close, between, drawn, gradient

import sgl_jax as sgl


@pytest.mark.parametrize("batch", [1, 7])
def test_batch_size_is_free(batch):
    apply, params = between(jax.nn.relu), drawn()
    small = sgl.compact(apply, params, X)
    x = jnp.ones((batch, 3)).at[0, 0].set(-1)
    assert_close(jax.jit(small.apply)(small.params, x), apply(params, x))


def test_several_networks_are_run_at_once():
    apply = between(jax.nn.relu)
    trees = [drawn(seed) for seed in range(3)]
    small = [sgl.compact(apply, tree, X) for tree in trees]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(s.params for s in small))
    found = jax.vmap(small[0].apply, (0, None))(stacked, X)
    assert_close(found, jnp.stack([apply(tree, X) for tree in trees]))
    gradients = jax.vmap(gradient(small[0].apply, X))(stacked)
    expected = [s.shrink(gradient(apply, X)(t)) for s, t in zip(small, trees, strict=True)]
    assert_close(gradients, jax.tree.map(lambda *leaves: jnp.stack(leaves), *expected))


def test_network_is_exported():
    apply, params = between(jax.nn.relu), drawn()
    small = sgl.compact(apply, params, X)
    exported = jax.export.export(jax.jit(small.apply))(small.params, X)
    assert_close(exported.call(small.params, X), apply(params, X))


def test_trees_of_inputs_and_outputs_keep_their_structure():
    def apply(params, words, features, scale):
        x = params["table"][words["ids"]] + features[0] @ params["a"]
        x = jax.nn.relu(x) * words["mask"][:, None]
        return {"y": x @ params["c"] * scale, "same": (features[1], None), "n": words["ids"].sum()}

    table = jnp.ones((6, 5)).at[:, 1].set(0)
    params = {"table": table, "a": drawn()["a"], "c": drawn()["c"]}
    words = {"ids": jnp.array([0, 5, 2, 2]), "mask": jnp.array([1.0, 1, 0, 1])}
    inputs = words, (X, jnp.zeros(())), 2.0
    small = sgl.compact(apply, params, *inputs, strict=True)
    assert small.params["table"].shape == (6, 4)
    assert_close(small.apply(small.params, *inputs), apply(params, *inputs))


def test_precision_is_kept():
    with jax.enable_x64(True):
        params = drawn(dtype=np.float64)
        small = sgl.compact(between(jax.nn.silu), params, X.astype(float))
        assert small.params["a"].dtype == np.float64
        assert small.report.error <= 1e-12 * small.report.scale
    params = drawn(dtype=jnp.bfloat16)
    apply, x = between(lambda x: 0.5 * jax.nn.relu(x)), X.astype(jnp.bfloat16)
    small = sgl.compact(apply, params, x)
    assert {leaf.dtype for leaf in jax.tree.leaves(small.params)} == {jnp.bfloat16.dtype}
    assert_close(small.apply(small.params, x), apply(params, x), rtol=0.02)


def test_numbers_of_python_take_the_precision_of_arrays():
    def apply(params, x, rate):
        return rate * params["scale"] * between(jax.nn.relu)(params, x)

    params = drawn(dtype=jnp.bfloat16) | {"scale": jnp.asarray(2.0)}
    small = sgl.compact(apply, params, X.astype(jnp.bfloat16), 0.5)
    assert small.apply(small.params, X.astype(jnp.bfloat16), 0.5).dtype == jnp.bfloat16
