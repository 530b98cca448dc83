"""Frozen dataclasses as pytrees, and one name per leaf."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sgl_jax._util.pytree import flatten_by_path, path_of, pytree_dataclass


@pytree_dataclass(static=("name",))
class Checked:
    """Two fields that are checked at construction, and a name."""

    low: Any
    name: str
    high: Any = 2.0

    def __post_init__(self):
        if not self.low < self.high:
            raise ValueError("out of order")


def test_construction_is_checked_and_unflattening_is_not():
    with pytest.raises(ValueError, match="out of order"):
        Checked(3.0, "a")
    tree = Checked(1.0, "a")
    for placeholder in (None, object(), 5.0):
        swapped = jax.tree.map(lambda _, x=placeholder: x, tree)
        assert (swapped.low, swapped.high, swapped.name) == (placeholder, placeholder, "a")
    with pytest.raises(ValueError, match="out of order"):
        dataclasses.replace(tree, low=9.0)


def test_dataclass_is_a_frozen_value():
    tree = Checked(1.0, "a")
    with pytest.raises(dataclasses.FrozenInstanceError):
        tree.low = 0.0
    assert tree == Checked(1.0, "a")
    assert tree != Checked(1.0, "b")
    assert hash(tree) == hash(Checked(1.0, "a"))


def test_dynamic_fields_are_leaves_and_static_fields_are_structure():
    tree = Checked(1.0, "a", 3.0)
    assert jax.tree.leaves(tree) == [1.0, 3.0]
    assert jax.tree.structure(tree) == jax.tree.structure(Checked(0.0, "a"))
    assert jax.tree.structure(tree) != jax.tree.structure(Checked(1.0, "b", 3.0))
    paths = [path_of(path) for path, _ in jax.tree_util.tree_leaves_with_path(tree)]
    assert paths == ["low", "high"]
    assert jax.tree.unflatten(jax.tree.structure(tree), [1.0, 3.0]) == tree


def test_dataclass_passes_transformations():
    tree = Checked(jnp.array(1.0), "a", jnp.array(3.0))
    twice = lambda tree: jax.tree.map(lambda x: 2 * x, tree)  # noqa: E731
    assert jax.jit(twice)(tree) == Checked(2.0, "a", 6.0)
    slope = jax.grad(lambda tree: tree.low * tree.high)(tree)
    assert (slope.low, slope.high, slope.name) == (3.0, 1.0, "a")
    many = jax.tree.map(lambda x: jnp.stack([x, x]), tree)
    np.testing.assert_array_equal(jax.vmap(twice)(many).high, [6.0, 6.0])
    carried, _ = jax.lax.scan(lambda carry, _: (twice(carry), None), tree, length=3)
    assert carried == Checked(8.0, "a", 24.0)


class Pair(NamedTuple):
    kernel: Any
    value: Any


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        (jnp.zeros(1), [""]),
        ({"b": 1.0, "a": [2.0, (3.0,)]}, ["a/0", "a/1/0", "b"]),
        ({"fc": Pair(1.0, None)}, ["fc/kernel"]),
        ({"fc": {"kernel": {"value": 1.0}}}, ["fc/kernel"]),
        ({"value": 1.0, "values": 2.0}, ["value", "values"]),
        ({"value": {"bias": 1.0}}, ["value/bias"]),
        (Checked(1.0, "a"), ["low", "high"]),
        ({}, []),
    ],
)
def test_paths_are_normalised(tree, expected):
    by_path, rebuild = flatten_by_path(tree)
    assert list(by_path) == expected
    assert jax.tree.leaves(tree) == list(by_path.values())
    again = rebuild({path: float(at) for at, path in reversed(list(enumerate(expected)))})
    assert jax.tree.structure(again) == jax.tree.structure(tree)
    assert jax.tree.leaves(again) == [float(at) for at in range(len(expected))]


def test_two_leaves_of_one_path_are_refused():
    with pytest.raises(ValueError, match="path of its own"):
        flatten_by_path({"fc": 1.0, "fc/": 2.0} | {"a/b": 1.0, "a": {"b": 2.0}})
