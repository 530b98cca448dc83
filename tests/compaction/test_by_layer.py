"""Other units leave each of the layers that a scan runs over, and nothing changes."""

import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax
from support.tiers import usual
from support.two_layers import assert_close, gradient

import sgl_jax as sgl
from sgl_jax.groups import Member


LAYERS, WIDTH, HIDDEN, HEADS, SIZE = 3, 4, 8, 4, 2

DEAD_UNITS = [0, 2, 5], [1, 2], [6, 7, 2, 3]
DEAD_HEADS = [1, 3], [2], [0, 1]


@pytest.fixture(autouse=True)
def rank_promotion(double):
    """Arrays of float64, and biases without the axes of a batch."""
    with jax.numpy_rank_promotion("allow"):
        yield


def drawn(shapes):
    generator = np.random.default_rng(3)
    return {name: generator.standard_normal(shape) for name, shape in shapes.items()}


def images(batch=2):
    return jnp.asarray(np.random.default_rng(1).standard_normal((batch, 6, 5)))


SHAPES = {
    "in": (5, WIDTH),
    "up": (LAYERS, WIDTH, HIDDEN),
    "b": (LAYERS, HIDDEN),
    "down": (LAYERS, HIDDEN, WIDTH),
    "out": (WIDTH, 2),
}


def hidden_dead():
    """Stacked layers, in each of which other hidden units are dead."""
    params = drawn(SHAPES)
    for layer, dead in enumerate(DEAD_UNITS):
        params["up"][layer][:, dead] = 0
        params["b"][layer][dead] = 0
    return jax.tree.map(jnp.asarray, params)


def run(block, names=("up", "b", "down"), **options):
    """Makes a network that runs a block over its stacked layers."""

    def apply(p, x):
        step = lambda h, w: (block(p, h, w), None)  # noqa: E731
        return lax.scan(step, x @ p["in"], {n: p[n] for n in names}, **options)[0] @ p["out"]

    return apply


def block(p, h, w):
    return h + jax.nn.relu(h @ w["up"] + w["b"]) @ w["down"]


BLOCKS = run(block)


@pytest.mark.slow
def test_other_units_leave_each_layer():
    params, x = hidden_dead(), images()
    small = sgl.compact(BLOCKS, params, images(1), strict=True)
    assert small.params["up"].shape == (LAYERS, WIDTH, HIDDEN - 2)
    assert small.report.ordered == ("b", "down", "up")
    for layer, dead in enumerate(DEAD_UNITS):
        alive = [unit for unit in range(HIDDEN) if unit not in dead]
        kept = np.asarray(small.params["b"][layer])
        assert kept[: len(alive)].tolist() == params["b"][layer][jnp.array(alive)].tolist()
        assert not kept[len(alive) :].any()
    found, expected = gradient(small.apply, x), small.shrink(gradient(BLOCKS, x)(params))
    assert_close(jax.jit(found)(small.params), expected, 1e-12)
    whole = small.plan.widen(small.params)
    assert_close(whole["up"], params["up"], 0)
    assert_close(BLOCKS(whole, x), BLOCKS(params, x), 1e-12)


def test_units_leave_from_all_layers_at_once_if_asked_to():
    small = sgl.compact(BLOCKS, hidden_dead(), images(), by_layer=False)
    assert small.params["b"].shape == (LAYERS, HIDDEN - 1)
    assert not any(leaf.orders for _, leaf in small.plan.leaves)


def attend(flat):
    """Makes a block of attention, with kernels of three axes or with heads behind a reshape."""

    def block(p, h, w):
        heads = (*h.shape[:-1], HEADS, SIZE)
        if flat:
            q, k, v = ((h @ w[name].reshape(WIDTH, -1)).reshape(heads) for name in "qkv")
        else:
            q, k, v = (jnp.einsum("btd,dhk->bthk", h, w[name]) for name in "qkv")
        weights = jax.nn.softmax(jnp.einsum("bthk,bshk->bhts", q, k))
        found = jnp.einsum("bhts,bshk->bthk", weights, v)
        if flat:
            return h + found.reshape(*h.shape[:-1], -1) @ w["o"].reshape(-1, WIDTH)
        return h + jnp.einsum("bthk,hkd->btd", found, w["o"])

    return block


@pytest.mark.parametrize("flat", usual([False, True], [True]))
def test_other_heads_leave_each_layer(flat):
    kernel, whole = (LAYERS, WIDTH, HEADS, SIZE), (LAYERS, WIDTH, HEADS * SIZE)
    params = drawn({"in": (5, WIDTH), "out": (WIDTH, 2)} | dict.fromkeys("qkvo", kernel))
    for layer, dead in enumerate(DEAD_HEADS):
        for name in "qkvo":
            params[name][layer][:, dead] = 0
    params["o"] = np.moveaxis(params["o"], 1, -1)
    if flat:
        params |= {name: params[name].reshape(whole) for name in "qkv"}
        params["o"] = params["o"].reshape(LAYERS, HEADS * SIZE, WIDTH)
    params = jax.tree.map(jnp.asarray, params)
    apply, x = run(attend(flat), "qkvo"), images()
    small = sgl.compact(apply, params, images(1), strict=True)
    left = (WIDTH, (HEADS - 1) * SIZE) if flat else (WIDTH, HEADS - 1, SIZE)
    assert small.params["q"].shape == (LAYERS, *left)
    expected = small.shrink(gradient(apply, x)(params))
    assert_close(jax.jit(gradient(small.apply, x))(small.params), expected, 1e-12)


def collected(p, x):
    """Hidden units that leave the loop."""

    def step(h, w):
        hidden = jax.nn.relu(h @ w["up"] + w["b"])
        return h + hidden @ w["down"], hidden

    h, units = lax.scan(step, x @ p["in"], {n: p[n] for n in ("up", "b", "down")})
    return h @ p["out"] + (units.sum(0) @ p["early"])


def carried(p, x):
    """Hidden units that the next layer gets."""

    def step(carry, w):
        h, before = carry
        hidden = jax.nn.relu(h @ w["up"] + w["b"]) + before
        return (h + hidden @ w["down"], hidden), None

    start = x @ p["in"], jnp.zeros((*x.shape[:-1], HIDDEN))
    (h, _), _ = lax.scan(step, start, {n: p[n] for n in ("up", "b", "down")})
    return h @ p["out"]


NOT_ALIKE = {
    "numbered": run(lambda p, h, w: block(p, h, w | {"up": w["up"] * (jnp.arange(8.0) + 1)})),
    "one bias for all layers": run(lambda p, h, w: block(p, h, w | {"b": w["b"] * p["shared"]})),
    "collected": collected,
    "carried": carried,
}


@pytest.mark.parametrize("name", usual(NOT_ALIKE, ["numbered", "carried"]))
def test_units_that_are_not_alike_keep_their_places(name):
    params = hidden_dead() | drawn({"shared": (HIDDEN,), "early": (HIDDEN, 2)})
    apply, x = NOT_ALIKE[name], images()
    small = sgl.compact(apply, params, images(1))
    assert small.params["b"].shape == (LAYERS, HIDDEN - 1)
    assert_close(small.apply(small.params, x), apply(params, x), 1e-12)


ALIKE = {
    "in half precision": run(block),
    "backwards": run(block, reverse=True),
    "unrolled": run(block, unroll=2),
    "in both directions": lambda p, x: BLOCKS(p, x) + run(block, reverse=True)(p, x),
    "beside one number for all": run(lambda p, h, w: block(p, h, w | {"b": w["b"] * jnp.ones(8)})),
    "under checkpoint": run(jax.checkpoint(block)),
}


def as_bfloat16(apply):
    half = lambda tree: jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), tree)  # noqa: E731
    return lambda p, x: apply(half(p), half(x))


@pytest.mark.parametrize("name", usual(ALIKE, ["unrolled", "beside one number for all"]))
def test_units_that_are_alike_change_places(name):
    apply, x = ALIKE[name], images()
    if name == "in half precision":
        apply = as_bfloat16(apply)
    small = sgl.compact(apply, hidden_dead(), images(1), strict=True)
    assert small.params["up"].shape == (LAYERS, WIDTH, HIDDEN - 2)
    assert small.apply(small.params, x).shape == (2, 6, 2)


@pytest.mark.slow
def test_layers_may_be_stacked_along_any_axis():
    class Block(linen.Module):
        @linen.compact
        def __call__(self, h, _):
            kinds = {"param_dtype": float}
            hidden = jax.nn.relu(linen.Dense(HIDDEN, **kinds)(h))
            return h + linen.Dense(WIDTH, **kinds)(hidden), None

    class Stacked(linen.Module):
        @linen.compact
        def __call__(self, x):
            layers = linen.scan(
                Block, variable_axes={"params": 1}, split_rngs={"params": True}, length=LAYERS
            )
            return layers()(x, None)[0]

    x = images()[..., :WIDTH]
    params = Stacked().init(jax.random.key(0), x)
    ours = params["params"]["ScanBlock_0"]["Dense_0"]
    assert ours["kernel"].shape == (WIDTH, LAYERS, HIDDEN)
    for layer, dead in enumerate(DEAD_UNITS):
        at = jnp.array(dead)
        ours["kernel"] = ours["kernel"].at[:, layer, at].set(0)
        ours["bias"] = ours["bias"].at[at, layer].set(0)
    small = sgl.compact(Stacked().apply, params, x, strict=True)
    narrow = small.params["params"]["ScanBlock_0"]["Dense_0"]
    assert narrow["kernel"].shape == (WIDTH, LAYERS, HIDDEN - 2)
    assert_close(small.apply(small.params, x), Stacked().apply(params, x), 1e-12)


OPTIMIZERS = {
    "adam": optax.adam(1e-2),
    "momentum": optax.sgd(1e-2, momentum=0.9),
    "lbfgs": optax.scale_by_lbfgs(memory_size=2),
}


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("name", usual(OPTIMIZERS, ["adam"]))
def test_states_of_optimizers_follow(name):
    tx, params, x = OPTIMIZERS[name], hidden_dead(), images()
    state = tx.init(params)
    updates, state = tx.update(gradient(BLOCKS, x)(params), state, params)
    params = optax.apply_updates(params, jax.tree.map(lambda u: -1e-3 * jnp.sign(u), updates))
    small = sgl.compact(BLOCKS, params, x)
    narrow = small.shrink(state)
    expected, _ = tx.update(gradient(BLOCKS, x)(params), state, params)
    found, _ = tx.update(gradient(small.apply, x)(small.params), narrow, small.params)
    assert_close(found, small.shrink(expected), 1e-11)


def test_a_plan_comes_back_from_json_and_joins_another():
    params, x = hidden_dead(), images()
    small = sgl.compact(BLOCKS, params, x)
    assert type(small.plan).from_json(small.plan.to_json()) == small.plan
    fewer = dict(small.params)
    fewer["down"] = fewer["down"].at[jnp.arange(3), jnp.array([0, 3, 1])].set(0)
    smaller = sgl.compact(small.apply, fewer, x)
    assert smaller.params["b"].shape == (LAYERS, HIDDEN - 3)
    joined = small.plan.then(smaller.plan)
    whole = joined.widen(smaller.params)
    assert_close(joined.narrow(whole), smaller.params, 0)
    assert_close(whole, small.plan.widen(smaller.plan.widen(smaller.params)), 0)
    assert_close(BLOCKS(whole, x), small.apply(fewer, x), 1e-12)


def units_of(axes, weight=None):
    """A penalty on groups of the weights into hidden units, which span some axes."""
    groups = sgl.Groups((sgl.Group((Member("up", SHAPES["up"], axes),)),))
    return sgl.Regularizer(sgl.L1(1e-2), groups, weight)


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("weighted", [False, True])
def test_groups_of_single_layers_follow(weighted):
    params, x = hidden_dead(), images()
    weights = {"up": 1.0 + jnp.arange(float(LAYERS * HIDDEN)).reshape(LAYERS, 1, HIDDEN)}
    tx = sgl.prox_sgd(1e-2, units_of((1,), weights if weighted else None))
    small = sgl.compact(BLOCKS, params, x)
    state, grads = tx.init(params), gradient(BLOCKS, x)(params)
    expected, _ = tx.update(grads, state, params)
    found, _ = tx.update(small.shrink(grads), small.shrink(state), small.params)
    assert_close(found, small.shrink(expected), 1e-12)


def test_groups_that_span_layers_follow_units_that_leave_from_all():
    params, x = hidden_dead(), images()
    state = sgl.prox_sgd(1e-2, units_of((0, 1))).init(params)
    with pytest.raises(ValueError, match=r"span the layers of 'up' .*; use by_layer=False in"):
        sgl.compact(BLOCKS, params, x).shrink(state)
    narrow = sgl.compact(BLOCKS, params, x, by_layer=False).shrink(state)
    assert jax.tree.structure(narrow) != jax.tree.structure(state)
