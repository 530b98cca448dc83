"""Plans are joined and inverted, and the size they leave is known without a check."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from support.modules import assert_same_state, killed
from support.two_layers import X, between, drawn

import sgl_jax as sgl
from sgl_jax.compaction import LeafPlan, Plan
from sgl_jax.compaction.flax import narrow_module


APPLY = between(jax.nn.relu)

FIRST = Plan((("a", LeafPlan((2, 5), (None, (0, 2, 3, 4)))), ("b", LeafPlan((3,), (None,)))))
SECOND = Plan((("a", LeafPlan((2, 4), ((1,), (1, 3)))), ("b", LeafPlan((3,), ((0, 2),)))))


def test_joined_plan_narrows_like_one_after_the_other():
    tree = {"a": jnp.arange(10.0).reshape(2, 5), "b": jnp.arange(3.0)}
    joined = FIRST.then(SECOND)
    found, expected = joined.narrow(tree), SECOND.narrow(FIRST.narrow(tree))
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    assert dict(joined.leaves)["a"].kept == ((1,), (2, 4))


def test_widened_tree_has_zeros_where_channels_were_removed():
    narrow = {"a": jnp.ones((1, 2)), "b": jnp.array([5, 6], jnp.int32)}
    wide = FIRST.then(SECOND).widen(narrow)
    np.testing.assert_array_equal(wide["a"], [[0, 0, 0, 0, 0], [0, 0, 1, 0, 1]])
    np.testing.assert_array_equal(wide["b"], [5, 0, 6])
    assert wide["b"].dtype == jnp.int32
    jax.tree.map(np.testing.assert_array_equal, FIRST.then(SECOND).narrow(wide), narrow)


def test_widened_network_gives_the_answers_of_the_compacted_one():
    small = sgl.compact(APPLY, drawn(), X)
    wide = small.plan.widen(small.params)
    assert jax.tree.map(jnp.shape, wide) == jax.tree.map(jnp.shape, drawn())
    np.testing.assert_allclose(APPLY(wide, X), small.apply(small.params, X), rtol=1e-5)


def test_size_without_a_check_is_that_of_the_report():
    expected = sgl.compact(APPLY, drawn(), X, protect="b").report
    assert expected.after == expected.before == sgl.compacted_size(APPLY, drawn(), X, protect="b")
    small = sgl.compact(APPLY, drawn(), X)
    assert sgl.compacted_size(APPLY, drawn(), X) == small.report.after
    assert small.report.after.parameters < expected.before.parameters


def test_size_of_a_network_that_is_refused():
    with pytest.raises(ValueError, match="finite parameters, got 'a'"):
        sgl.compacted_size(APPLY, {**drawn(), "a": jnp.full((3, 5), jnp.inf)}, X)


def test_module_is_narrowed_by_the_plan_of_another():
    full, _, x = killed("lenet5")
    small = sgl.compact_module(full, x)
    assert_same_state(narrow_module(full, small.plan), small.module)
    assert nnx.graphdef(narrow_module(full, small.plan)) == nnx.graphdef(small.module)
