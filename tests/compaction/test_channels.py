"""Groups that are read off a network: disjoint, exact, and removable once they are zero."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from support.networks import NETWORKS, sparing, trained, with_trained

import sgl_jax as sgl
from sgl_jax._util.pytree import flatten_by_path
from sgl_jax.compaction.channels import mermaid


def built(name):
    """A network, all of its arrays, and an input."""
    spec = NETWORKS[name]
    return *spec.build(), jax.tree.map(jnp.zeros_like, spec.inputs(1, seed=0))


def dense(params, x):
    return jax.nn.relu(x @ params["a"] + params["b"]) @ params["c"]


DENSE = {"a": jnp.ones((3, 4)), "b": jnp.ones((1, 4)), "c": jnp.ones((4, 2))}
X = jnp.ones((1, 3))


SHARED = {"mixer": "embed/kernel"}
"""Channels to all of which something is added alike, by the biases of layers that mix tokens."""


@pytest.mark.parametrize("name", sparing(NETWORKS))
def test_channels_whose_group_is_zero_go(name):
    apply, variables, x = built(name)
    channels = sgl.channel_groups(apply, variables, x)
    groups = channels.resolve(trained(variables))
    assert groups.disjoint
    assert not channels.unknown
    leaves, rebuild = flatten_by_path(trained(variables))
    for family in groups:
        parts = [leaves[member.path] for member in family.members]
        alive = jnp.arange(family.count, dtype=parts[0].dtype).reshape(family.shape) > 0
        leaves |= {
            member.path: jnp.where(factor, part, 0)
            for member, part, factor in zip(
                family.members, parts, family.spread(alive), strict=True
            )
        }
    # Not the example of zeros, for which some constants could pass.
    inputs = NETWORKS[name].inputs(2, seed=0)
    small = sgl.compact(apply, with_trained(variables, rebuild(leaves)), inputs)
    narrow, _ = flatten_by_path(trained(small.params))
    for family in groups:
        if SHARED.get(name) in {member.path for member in family.members}:
            continue
        for member in family.members:
            (axis,) = member.index_axes
            index = range(family.count) if member.index is None else member.index
            left = sum(group > 0 for group in index)
            assert narrow[member.path].shape[axis] == left, member.path


@pytest.mark.parametrize(
    "name", sparing(["lenet5", "densenet", "mobilenet", "equinox_residual"], ["lenet5"])
)
def test_prox_of_adam_is_exact_on_channel_groups(name):
    apply, variables, x = built(name)
    params = trained(variables)
    regularizer = sgl.Regularizer(sgl.L1(0.05), sgl.channel_groups(apply, variables, x))
    metric = jax.tree.map(lambda w: 0.5 + jnp.abs(w), params)
    resolved = regularizer.resolved(params)

    @jax.jit
    def forces(params, metric):
        """Of each family: what pulls its groups, the strength against it, and their norms."""
        trees = (resolved.prox(params, 1.0, metric), params, metric)
        z, w, d = (flatten_by_path(tree)[0] for tree in trees)
        found = []
        for family, weight in resolved.families(w):
            pull = [d[m.path] * (w[m.path] - z[m.path]) for m in family.members]
            strength = 0.05 * jnp.broadcast_to(weight, family.shape)
            norm = family.norm([z[m.path] for m in family.members])
            found.append((family.norm(pull), strength, norm))
        return found

    for force, strength, norm in jax.tree.map(np.asarray, forces(params, metric)):
        # Where alive d (w - z) = c z / ||z||; where dead ||d w|| <= c.
        np.testing.assert_allclose(np.where(norm > 0, force, strength), strength, rtol=2e-5)
        assert np.all((norm > 0) | (force <= strength * (1 + 1e-5)))


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["prox_adam", "prox_sgd", "fista", "rda", "admm", "hspg"])
def test_algorithms_take_channel_groups(algorithm):
    groups = sgl.channel_groups(dense, DENSE, X)
    regularizer = sgl.Regularizer(sgl.L1(0.1), groups)
    tx = sgl.ALGORITHMS[algorithm](0.1, regularizer)
    state = tx.init(DENSE)
    updates, state = tx.update(jax.tree.map(jnp.ones_like, DENSE), state, DENSE)
    assert jax.tree.structure(updates) == jax.tree.structure(DENSE)
    assert jax.tree.structure(sgl.sparse_params(state, optax.apply_updates(DENSE, updates)))


def drawn(shapes):
    """Draws an array of each of some shapes."""
    keys = jax.random.split(jax.random.key(0), len(shapes))
    return {n: jax.random.normal(key, shapes[n]) for n, key in zip(shapes, keys, strict=True)}


def attend(params, x):
    """Attention of three learned queries to the entries of x."""
    query = jnp.einsum("lf,fhd->lhd", params["table"], params["query"])
    key, value = (jnp.einsum("bif,fhd->bihd", x, params[name]) for name in ("key", "value"))
    weights = jax.nn.softmax(jnp.einsum("lhd,bihd->bhli", query, key))
    return jnp.einsum("bhli,bihd,hdo->blo", weights, value, params["out"])


def test_learned_queries_are_in_groups_that_go():
    shapes = {"table": (3, 8), "query": (8, 2, 4), "key": (6, 2, 4), "value": (6, 2, 4)}
    shapes["out"] = (2, 4, 8)
    params = drawn(shapes)
    x = jax.random.normal(jax.random.key(1), (2, 5, 6))
    families = sgl.channel_groups(attend, params, x).groups
    made = [{member.path: member for member in family.members} for family in families]
    assert sorted(map(sorted, made)) == [["key"], ["query", "table"], ["value"]]
    for members in made:
        for path, member in members.items():
            params[path] = jnp.where(member.owners == 1, 0.0, params[path])
    small = sgl.compact(attend, params, x)
    shapes = {path: leaf.shape for path, leaf in small.params.items()}
    assert shapes["table"] == (3, 7)
    assert shapes["query"] == (7, 2, 3)
    assert shapes["key"] == shapes["value"] == (6, 2, 3)


def pool(params, x):
    """A learned query attends to the entries of x, and is added to what it finds; heads first."""
    start = jnp.tile(params["start"], (len(x), 1, 1))
    made = start @ params["query"], x @ params["key"], x @ params["value"]
    query, key, value = (y.reshape(len(x), -1, 2, 4).transpose(0, 2, 1, 3) for y in made)
    weights = jax.nn.softmax(query @ key.transpose(0, 1, 3, 2))
    found = (weights @ value).transpose(0, 2, 1, 3).reshape(len(x), -1, 8)
    return (start + found) @ params["out"]


def test_value_that_a_learned_query_attends_to_makes_channels():
    shapes = {"start": (1, 1, 8), "query": (8, 8), "key": (8, 8), "value": (8, 8), "out": (8, 3)}
    params = drawn(shapes)
    x = jax.random.normal(jax.random.key(1), (2, 5, 8))
    families = sgl.channel_groups(pool, params, x).groups
    [family] = [f for f in families if "start" in {member.path for member in f.members}]
    assert {member.path for member in family.members} >= {"start", "value"}
    for member in family.members:
        params[member.path] = jnp.where(member.owners == 1, 0.0, params[member.path])
    assert sgl.compact(pool, params, x).params["start"].size < 8


@pytest.mark.slow
def test_readers_make_overlapping_groups_without_a_prox():
    groups = sgl.channel_groups(dense, DENSE | {"d": jnp.ones((2, 2))}, X)
    assert [m.path for family in groups.groups for m in family.members] == ["a", "b"]

    def deep(params, x):
        return jax.nn.relu(dense(params, x)) @ params["d"]

    params = DENSE | {"d": jnp.ones((2, 2))}
    both = sgl.channel_groups(deep, params, X, readers=True)
    assert [[m.path for m in family.members] for family in both.groups] == [
        ["a", "b", "c"],
        ["c", "d"],
    ]
    regularizer = sgl.Regularizer(sgl.L1(0.1), both)
    with pytest.raises(ValueError, match="A prox needs disjoint groups"):
        regularizer.prox(params, 1.0)
    # The group of channel 0 of the first layer has 3 + 1 + 2 entries of one.
    expected = 0.1 * (4 * np.sqrt(6) * np.sqrt(6) + 2 * np.sqrt(6) * np.sqrt(6))
    np.testing.assert_allclose(regularizer.value(params), expected, rtol=1e-6)
    for link in (
        sgl.add_penalty_gradient(regularizer),
        sgl.sgl_transform(sgl.L1(0.1), beta=1.0, grouping=both),
    ):
        tx = optax.chain(link, optax.sgd(0.1))
        updates, _ = tx.update(jax.tree.map(jnp.zeros_like, params), tx.init(params), params)
        assert float(updates["c"].max()) < 0


def test_flops_weights_price_what_a_removal_saves():
    groups = sgl.channel_groups(dense, DENSE, X)
    # A channel of a and of c: 2 * 3 and 2 * 2 multiply-adds of one example.
    assert groups.flops == ((10.0, 10.0, 10.0, 10.0),)
    network, params, rest = sgl.train.split(sgl.models.LeNet5(rngs=nnx.Rngs(0)))
    groups = sgl.channel_groups(network.apply, (params, rest), jnp.zeros((1, 28, 28, 1)))
    assert [flops[0] for flops in groups.flops] == [
        576_000 / 20 + 3_200_000 / 20,
        3_200_000 / 50 + 800_000 / 50,
        800_000 / 500 + 10_000 / 500,
    ]
    weights = groups.flops_weights(params)
    sizes = sum(family.count * np.sqrt(family.size) for family in groups.groups)
    np.testing.assert_allclose(sum(w.sum() for w in weights.values()), sizes, rtol=1e-6)
    regularizer = sgl.Regularizer(sgl.L1(1.0), groups, weights)
    assert jnp.isfinite(regularizer.value(params))


def test_channels_say_what_ties_and_what_keeps_them():
    groups = sgl.channel_groups(dense, DENSE, X)
    words = str(groups)
    assert "4 channels, 4 of them removable" in words
    assert "made by a, axis 1" in words
    assert "read by c, axis 0" in words
    assert "tied by dot_general at " in words
    assert "test_channels.py:" in words
    assert "kept: it is an output of the network" in words
    drawing = mermaid(groups.channels)
    assert drawing.startswith("flowchart LR")
    assert '["a"]' in drawing
    assert "4 of 4 channels removable" in drawing


def test_network_without_removable_channels_is_refused():
    with pytest.raises(ValueError, match="needs a network with channels that can be removed"):
        sgl.channel_groups(lambda p, x: x @ p["a"], {"a": jnp.ones((3, 4))}, X)


def test_groups_are_of_these_parameters():
    groups = sgl.channel_groups(dense, DENSE, X)
    with pytest.raises(ValueError, match="need a leaf 'a' of shape \\(3, 4\\), got \\(3, 5\\)"):
        groups.resolve(DENSE | {"a": jnp.ones((3, 5))})
    with pytest.raises(ValueError, match="need a leaf 'b' of shape \\(1, 4\\), got no leaf"):
        groups.resolve({"a": DENSE["a"]})
