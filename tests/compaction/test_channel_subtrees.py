"""Channel groups of all arrays of a network, resolved on those that are trained."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import sgl_jax as sgl


PARAMS = {
    "a": {"kernel": jnp.ones((3, 4)), "scale": jnp.ones((4,))},
    "c": {"kernel": jnp.ones((4, 2))},
}
STATISTICS = {"a": {"mean": jnp.zeros((4,))}, "x": {"mean": jnp.zeros((3,))}}
X = jnp.ones((1, 3))


def apply(variables, x):
    params, statistics = variables
    x = (x - statistics["x"]["mean"][None]) @ params["a"]["kernel"]
    x = (x - statistics["a"]["mean"][None]) * params["a"]["scale"][None]
    return jax.nn.relu(x) @ params["c"]["kernel"]


def paths(groups):
    return [[member.path for member in family.members] for family in groups]


@pytest.fixture(scope="module")
def groups():
    return sgl.channel_groups(apply, (PARAMS, STATISTICS), X)


def test_whole_tree_has_statistics_in_its_groups(groups):
    found = groups.resolve((PARAMS, STATISTICS))
    assert ["0/a/kernel", "0/a/scale", "1/a/mean"] in paths(found)
    assert found == groups.groups


def test_subtree_has_the_groups_of_a_network_that_closes_over_the_rest(groups):
    closed = sgl.channel_groups(lambda params, x: apply((params, STATISTICS), x), PARAMS, X)
    assert paths(closed.groups) == [["a/kernel", "a/scale"]]
    assert groups.resolve(PARAMS) == closed.groups
    expected = closed.flops_weights()
    found = groups.flops_weights(PARAMS)
    assert found.keys() == expected.keys()
    for path in expected:
        np.testing.assert_array_equal(found[path], expected[path])


def test_weights_of_the_whole_tree_are_for_its_paths(groups):
    assert set(groups.flops_weights()) == {family[0] for family in paths(groups.groups)}


def test_subtree_of_a_subtree_is_found_by_its_shapes(groups):
    assert paths(groups.resolve(PARAMS["a"])) == [["kernel", "scale"]]


def test_link_on_the_parameters_takes_groups_of_all_arrays(groups):
    regularizer = sgl.Regularizer(sgl.L1(10.0), groups, groups.flops_weights(PARAMS))
    tx = sgl.prox_sgd(1.0, regularizer)
    updates, _ = tx.update(jax.tree.map(jnp.zeros_like, PARAMS), tx.init(PARAMS), PARAMS)
    trained = optax.apply_updates(PARAMS, updates)
    assert not trained["a"]["kernel"].any()
    assert not trained["a"]["scale"].any()
    assert trained["c"]["kernel"].all()
    small = sgl.compact(apply, (trained, STATISTICS), X)
    assert small.params[1]["a"]["mean"].shape == (1,)


def test_groups_without_a_leaf_in_the_subtree_are_left_out():
    def joined(variables, x):
        frozen, params = variables
        x = jnp.concatenate([x @ frozen["a"], x @ params["first"]["a"]], axis=1)
        return jax.nn.relu(x) @ params["last"]["a"]

    params = {"first": {"a": jnp.ones((3, 2))}, "last": {"a": jnp.ones((5, 2))}}
    groups = sgl.channel_groups(joined, ({"a": jnp.ones((3, 3))}, params), X)
    assert sum(family.count for family in groups.groups) == 5
    (family,) = groups.resolve(params)
    assert (family.count, family.size, family.members[0].index) == (2, 3, None)


def test_subtree_like_another_is_refused():
    def both(pair, x):
        return sum(jax.nn.relu(x @ params["a"]) @ params["b"] for params in pair)

    params = {"a": jnp.ones((3, 4)), "b": jnp.ones((4, 2))}
    groups = sgl.channel_groups(both, (params, params), X)
    with pytest.raises(ValueError, match="differs from all others, got one like 0 and 1;"):
        groups.resolve(params)
    assert paths(groups.resolve((params, params))) == [["0/a"], ["1/a"]]


def test_tree_with_a_part_like_a_subtree_is_the_whole_tree():
    def nested(params, x):
        x = jax.nn.relu(x @ params["a"])
        return jax.nn.relu(x @ params["deep"]["a"]) @ params["deep"]["b"]

    params = {"a": jnp.ones((3, 3)), "deep": {"a": jnp.ones((3, 3)), "b": jnp.ones((3, 2))}}
    groups = sgl.channel_groups(nested, params, X)
    assert groups.resolve(params) == groups.groups
    assert paths(groups.resolve(params["deep"])) == [["a"]]
