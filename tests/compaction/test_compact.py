"""Dead channels of networks of many kinds leave them, and nothing changes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.networks import NETWORKS, kill, narrow_by_hand, narrow_widths, sparing

import sgl_jax as sgl
from sgl_jax._util.pytree import flatten_by_path
from sgl_jax.compaction.program import products


SHARES = dict(zip(NETWORKS, [0.5, 0.3, 0.7] * len(NETWORKS), strict=False))


def flops_of(apply, params, x):
    return sum(product.flops for product in products(apply, params, x))


def test_products_have_the_precision_of_the_time_of_the_call():
    params = {"a": jnp.ones((3, 4)).at[:, 1].set(0), "c": jnp.ones((4, 2))}
    x = jnp.ones((1, 3))
    small = sgl.compact(lambda params, x: x @ params["a"] @ params["c"], params, x)
    assert "HIGHEST" not in str(jax.make_jaxpr(small.apply)(small.params, x))
    with jax.default_matmul_precision("highest"):
        assert "HIGHEST" in str(jax.make_jaxpr(small.apply)(small.params, x))


@pytest.mark.parametrize("name", sparing(NETWORKS))
def test_dead_channels_go_and_live_ones_stay(name):
    spec = NETWORKS[name]
    apply, params = spec.build()
    params, dead = kill(spec, params, seed=0, share=SHARES[name])
    x = spec.inputs(2, seed=1)
    small = sgl.compact(apply, params, x, strict=True)
    hand = narrow_by_hand(spec, params, dead)

    by_hand, _ = flatten_by_path(hand)
    found, _ = flatten_by_path(small.params)
    for path, leaf in by_hand.items():
        assert np.shape(found[path]) == np.shape(leaf), path
        if not jnp.issubdtype(leaf.dtype, jax.dtypes.extended):
            np.testing.assert_array_equal(found[path], leaf, err_msg=path)

    narrow, _ = spec.build(narrow_widths(spec, dead))
    expected, found = jax.jit(apply)(params, x), jax.jit(small.apply)(small.params, x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * jnp.abs(expected).max())
    assert flops_of(small.apply, small.params, x) == flops_of(narrow, hand, x)
    assert not small.report.unknown


@pytest.mark.parametrize("first", [0, 1])
def test_sums_over_two_axes_need_both_of_them(first):
    """One entry of a matrix of units is live, the others can go with their rows and columns."""
    shape = (2, 3)
    params = {
        "a": jnp.zeros((4, *shape)).at[:, 1, 2 * first].set(1.0),
        "b": jnp.ones((*shape, 5)),
    }
    apply = lambda params, x: jnp.einsum("ni,ihd,hdo->no", x, params["a"], params["b"])  # noqa: E731
    x = jax.random.normal(jax.random.key(0), (2, 4))
    small = sgl.compact(apply, params, x)
    assert small.params["a"].shape == (4, 1, 1)
    assert not small.report.revived
    np.testing.assert_allclose(small.apply(small.params, x), apply(params, x), rtol=1e-6)


def drawn(*shape):
    return jnp.asarray(np.random.default_rng(len(shape)).standard_normal(shape), np.float32)


def shuffled(params, x):
    x = x @ params["a"]
    pixels = x.reshape(2, 2, 2, 3).transpose(0, 2, 1, 3).reshape(2, 4, 3)
    return jnp.tanh(pixels).mean(axis=1) @ params["b"]


def gated(params, x):
    gate, value = jnp.split(x @ params["a"], 2, axis=1)
    return (value * jax.nn.sigmoid(gate)) @ params["b"]


def experts(params, x):
    return jax.vmap(lambda a, b: jnp.tanh(x @ a) @ b)(params["a"], params["b"]).sum(axis=0)


def adapted(params, x):
    return jnp.tanh(x @ (params["w"] + params["u"] @ params["v"])) @ params["b"]


ZERO = drawn(3, 4).at[:, 1].set(0)
WIRED = {
    "pixels made of channels": (
        shuffled,
        {"a": drawn(3, 12).at[:, 1::3].set(0), "b": drawn(3, 2)},
        {"a": (3, 8), "b": (2, 2)},
    ),
    "gates": (
        gated,
        {"a": drawn(3, 12).at[:, 8].set(0), "b": drawn(6, 2)},
        {"a": (3, 10), "b": (5, 2)},
    ),
    "experts": (
        experts,
        {"a": drawn(2, 3, 5).at[:, :, 1].set(0), "b": drawn(2, 5, 2).at[1].set(0)},
        {"a": (1, 3, 4), "b": (1, 4, 2)},
    ),
    "sums of products": (
        adapted,
        {"w": ZERO, "u": drawn(3, 3).at[:, 0].set(0), "v": ZERO, "b": drawn(4, 2)},
        {"w": (3, 3), "u": (3, 2), "v": (2, 3), "b": (3, 2)},
    ),
}


@pytest.mark.parametrize("name", WIRED)
def test_channels_are_followed_through_the_wiring_of_networks(name):
    apply, params, expected = WIRED[name]
    small = sgl.compact(apply, params, jnp.ones((2, 3)), strict=True)
    assert jax.tree.map(jnp.shape, small.params) == expected
