"""Whole heads as groups: what a penalty aims at, and what compaction then removes."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from support.attention import HEADS, SHARED, SIZE, VALUE, X, attention, drawn
from support.tiers import usual

import sgl_jax as sgl


def members(groups):
    """The leaves of every family, with the group of every position along their axis of groups."""
    return [
        {m.path: m.index or tuple(range(family.count)) for m in family.members} for family in groups
    ]


def spread(groups, each):
    return tuple(np.repeat(groups, each).tolist())


BY_SHARED = {
    "own": ((0, 1, 2, 3), (0, 1, 2, 3)),
    "repeated": ((0, 0, 1, 1), (0, 1)),
    "broadcast": ((0, 0, 1, 1), (0, 1)),
    "grouped": ((0, 0, 1, 1), (0, 1)),
    "tiled": ((0, 1, 0, 1), (0, 1)),
    "one": ((0, 1, 2, 3), None),
}
"""The group of each query, and of each key and value."""


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("sharing", SHARED)
def test_whole_heads_are_groups_of_all_that_makes_and_reads_them(sharing, flat):
    apply, params = attention(sharing, flat), drawn(sharing, flat)
    queries, keys = BY_SHARED[sharing]
    expected = {
        "k": keys and spread(keys, SIZE if flat else 1),
        "o": spread(queries, VALUE if flat else 1),
        "q": spread(queries, SIZE if flat else 1),
        "v": keys and spread(keys, VALUE if flat else 1),
    }
    found = sgl.channel_groups(apply, params, X, heads=True).groups
    assert found.disjoint
    heads = members(found)[0]
    assert heads == {path: index for path, index in expected.items() if index}


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("sharing", SHARED)
def test_head_dimensions_are_groups_without_the_option(sharing, flat):
    apply, params = attention(sharing, flat), drawn(sharing, flat)
    found = members(sgl.channel_groups(apply, params, X).groups)
    queries, values = HEADS if flat else 1, SHARED[sharing] if flat else 1
    assert found == [
        {"k": tuple(range(SIZE)) * values, "q": tuple(range(SIZE)) * queries},
        {"v": tuple(range(VALUE)) * values},
    ]


@pytest.mark.parametrize("sharing", usual(SHARED, ["own", "repeated", "one"]))
def test_penalty_on_heads_drives_compaction(sharing):
    apply, params = attention(sharing, flat=True), drawn(sharing, flat=True)
    x = jnp.asarray(X)
    groups = sgl.channel_groups(apply, params, x, heads=True)
    regularizer = sgl.Regularizer(sgl.L1(1.0), groups)
    (family,) = [family for family in groups.groups if len(family.members) > 1]
    norms = np.sort(np.asarray(family.norm([params[m.path] for m in family.members])))
    shrunk = regularizer.prox(params, float(norms[1]) / np.sqrt(np.max(family.size)) * 0.9999)
    alive = np.asarray(family.norm([shrunk[m.path] for m in family.members])) > 0
    assert 0 < alive.sum() < family.count
    small = sgl.compact(apply, shrunk, x)
    for member in family.members:
        index = range(family.count) if member.index is None else member.index
        (axis,) = member.index_axes
        assert small.params[member.path].shape[axis] == sum(alive[group] for group in index)


class Block(nnx.Module):
    """A residual stream through attention and two dense layers."""

    def __init__(self, heads):
        rngs = nnx.Rngs(0)
        self.embed = nnx.Linear(3, 8, rngs=rngs)
        self.norm = nnx.LayerNorm(8, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(heads, 8, decode=False, rngs=rngs)
        self.first, self.second = nnx.Linear(8, 5, rngs=rngs), nnx.Linear(5, 8, rngs=rngs)
        self.last = nnx.Linear(8, 2, rngs=rngs)

    def __call__(self, x):
        x = self.embed(x)
        x = x + self.attention(self.norm(x))
        return self.last(x + self.second(nnx.relu(self.first(x))))


def test_heads_stand_in_the_place_of_dimensions_and_of_the_residual_stream():
    graphdef, params = nnx.split(Block(heads=4))
    x = jax.random.normal(jax.random.key(0), (2, 5, 3))

    def apply(params, x):
        return nnx.merge(graphdef, params, copy=True)(x)

    dimensions = sgl.channel_groups(apply, params, x)
    assert [family.count for family in dimensions.groups] == [2, 8, 2, 5]
    heads = sgl.channel_groups(apply, params, x, heads=True)
    assert heads.groups.disjoint
    assert [sorted(path for path in found) for found in members(heads.groups)] == [
        [
            "attention/key/bias",
            "attention/key/kernel",
            "attention/out/kernel",
            "attention/query/bias",
            "attention/query/kernel",
            "attention/value/bias",
            "attention/value/kernel",
        ],
        ["first/bias", "first/kernel"],
    ]
    assert [family.count for family in heads.groups] == [4, 5]
    assert "4 heads, 4 of them removable" in str(heads)


@pytest.mark.slow
def test_heads_and_dimensions_side_by_side_are_two_penalties():
    apply, params = attention("own", flat=True), drawn("own", flat=True)
    by = [sgl.channel_groups(apply, params, X, heads=whole) for whole in (True, False)]
    links = [sgl.add_penalty_gradient(sgl.Regularizer(sgl.L1(0.1), groups)) for groups in by]
    tx = optax.chain(*links, optax.sgd(0.1))
    updates, _ = tx.update(jax.tree.map(jnp.zeros_like, params), tx.init(params), params)
    expected = jax.grad(
        lambda p: sum(sgl.Regularizer(sgl.L1(0.1), groups).value(p) for groups in by)
    )(params)
    for name, update in updates.items():
        np.testing.assert_allclose(update, -0.1 * expected[name], rtol=1e-5)


@pytest.mark.parametrize("between", [lambda x: x, lambda x: x @ x.T @ x])
def test_network_without_heads_is_refused(between):
    params = {"a": jnp.ones((3, 4)), "b": jnp.ones((4, 2))}

    def apply(params, x):
        return between(x @ params["a"]) @ params["b"]

    with pytest.raises(ValueError, match="a network with heads that can be removed, got none"):
        sgl.channel_groups(apply, params, jnp.ones((5, 3)), heads=True)


def test_products_of_channels_with_each_other_are_no_heads():
    def apply(params, x):
        x = x @ params["a"]
        return jnp.sum(jnp.einsum("ic,id->icd", x, x), axis=(1, 2))

    params = {"a": jnp.ones((3, 4))}
    assert [family.count for family in sgl.channel_groups(apply, params, X[0, :, :3]).groups] == [4]
    with pytest.raises(ValueError, match="a network with heads that can be removed, got none"):
        sgl.channel_groups(apply, params, X[0, :, :3], heads=True)


def mixed(q, k, v, bias=None):
    """Attention of heads on an axis of their own, flat at its end."""
    scores = jnp.einsum("bihd,bjhd->bhij", q, k)
    scores = scores if bias is None else scores + bias
    made = jnp.einsum("bhij,bjhd->bihd", jax.nn.softmax(scores), v)
    return made.reshape(*made.shape[:2], -1)


def by_part(params, x):
    q, k, v = jnp.moveaxis((x @ params["w"]).reshape(2, 5, 3, 4, 3), 2, 0)
    return mixed(q, k, v) @ params["o"]


def by_head(params, x):
    parts = jnp.split((x @ params["w"]).reshape(2, 5, 4, 9), 3, axis=-1)
    return mixed(*parts) @ params["o"]


def with_batch(params, x):
    parts = (x @ params["w"]).reshape(2, 5, 3, 4, 3).transpose(2, 0, 3, 1, 4)
    q, k, v = parts.reshape(3, 8, 5, 3)
    made = jax.nn.softmax(q @ k.transpose(0, 2, 1)) @ v
    return made.reshape(2, 4, 5, 3).transpose(0, 2, 1, 3).reshape(2, 5, 12) @ params["o"]


def biased(params, x):
    parts = (x @ params["w"]).reshape(2, 5, 4, 9)
    return mixed(*jnp.split(parts, 3, axis=-1), params["bias"][None]) @ params["o"]


def numbered(params, x):
    parts = (x @ params["w"]).reshape(2, 5, 4, 9)
    slopes = jnp.exp2(-1.0 - jnp.arange(4.0)).reshape(1, 4, 1, 1)
    return mixed(*jnp.split(parts, 3, axis=-1), slopes * jnp.ones((1, 1, 5, 5))) @ params["o"]


FUSED = {"w": (6, 36), "o": (12, 2)}
INPUT = jnp.ones((2, 5, 6))


def ones(shapes):
    return {name: jnp.ones(shape) for name, shape in shapes.items()}


@pytest.mark.parametrize(
    ("apply", "shapes", "w"),
    [
        (by_part, FUSED, spread(range(4), 3) * 3),
        (by_head, FUSED, spread(range(4), 9)),
        (with_batch, FUSED, spread(range(4), 3) * 3),
        (biased, FUSED | {"bias": (4, 5, 5)}, spread(range(4), 9)),
        (numbered, FUSED, spread(range(4), 9)),
    ],
)
def test_heads_are_found_in_every_layout(apply, shapes, w):
    (found,) = members(sgl.channel_groups(apply, ones(shapes), INPUT, heads=True).groups)
    expected = {"w": w, "o": spread(range(4), 3), "bias": (0, 1, 2, 3)}
    assert found == {path: expected[path] for path in shapes}


SLOPES = np.exp2(-np.arange(1.0, 5.0)).astype(np.float32).reshape(1, 4, 1, 1)


def sloped(params, x):
    parts = (x @ params["w"]).reshape(2, 5, 4, 9)
    return mixed(*jnp.split(parts, 3, axis=-1), SLOPES * jnp.ones((1, 1, 5, 5))) @ params["o"]


def test_heads_of_an_array_that_is_closed_over_stay_and_dimensions_go():
    params = ones(FUSED)
    params["w"] = params["w"].reshape(6, 4, 9).at[:, 1].set(0).at[:, :, 7].set(0).reshape(6, 36)
    small = sgl.compact(sloped, params, INPUT)
    assert small.params["w"].shape == (6, 32)
    assert small.params["o"].shape == (8, 2)
    with pytest.raises(ValueError, match="a network with heads that can be removed, got none"):
        sgl.channel_groups(sloped, params, INPUT, heads=True)
