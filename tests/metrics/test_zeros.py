"""What is counted, against counts by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sgl_jax as sgl
from sgl_jax.metrics._zeros import _count


KERNEL = np.ones((2, 1, 2, 3), np.float32)
KERNEL[..., 0] = 0.0
KERNEL[0, 0, 0, 1] = 0.0
KERNEL[1, 0, :, 1] = 5e-6
KERNEL[..., 2] = -9e-6
DENSE = np.float32([[0.0, 0.0], [0.0, -1.0], [2e-5, 0.0], [3e-5, 0.0]])
PARAMS = {
    "conv": {"kernel": jnp.asarray(KERNEL), "bias": jnp.zeros(3)},
    "fc": {"kernel": jnp.asarray(DENSE), "bias": jnp.zeros(2)},
}
"""Filters: dead, live, live but tiny. Inputs: dead, live, of mean 1e-5 exactly, live."""


sparsity = jax.jit(sgl.sparsity, static_argnums=1)


def test_sparsity_is_that_counted_by_hand():
    found = sparsity(PARAMS)
    assert all(share.shape == () for share in found)
    np.testing.assert_allclose(found.weights, 10 / 20, rtol=1e-6)
    np.testing.assert_allclose(found.groups, 2 / 7, rtol=1e-6)
    np.testing.assert_allclose(found.weights_paper, 16 / 20, rtol=1e-6)
    np.testing.assert_allclose(found.groups_paper, 4 / 7, rtol=1e-6)


def test_paper_counts_weights_below_and_neurons_up_to_its_tolerance():
    at = np.float32(1e-5)
    params = {"w": jnp.array([[at, at], [1.1 * at, at]])}
    found = sparsity(params, sgl.by_neuron())
    assert (found.weights_paper, found.groups_paper) == (0.0, 0.5)
    assert sparsity({"w": jnp.full((1, 1), np.nextafter(at, np.float32(0)))}).weights_paper == 1.0


def test_sparsity_depends_on_the_grouping():
    assert sparsity(PARAMS, sgl.by_filter(only="fc")).groups == 0.0
    every = sparsity(PARAMS, sgl.by_entry())
    np.testing.assert_allclose(every.weights, 15 / 25, rtol=1e-6)
    np.testing.assert_allclose(every.groups, 15 / 25, rtol=1e-6)
    assert sparsity(PARAMS, sgl.by_layer()).groups == 0.5
    assert sparsity(PARAMS, sgl.by_tree()).groups == 0.0
    with pytest.raises(ValueError, match="got none among"):
        sgl.sparsity(PARAMS, sgl.by_neuron(only="nothing"))


def test_sparsity_counts_groups_that_span_leaves():
    channel = sgl.Groups(
        (
            sgl.Group(
                (
                    sgl.Member("fc/kernel", (4, 2), (1,), (0, 1, 0, 1)),
                    sgl.Member("fc/bias", (2,), ()),
                )
            ),
        )
    )
    params = {"fc": {"kernel": jnp.zeros((4, 2)).at[2, 0].set(1.0), "bias": jnp.zeros(2)}}
    found = sparsity(params, channel)
    np.testing.assert_allclose(found, [9 / 10, 1 / 2, 9 / 10, 1 / 2], rtol=1e-6)
    assert sgl.live_groups(params, channel) == {"fc/kernel": (1, 2)}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_zero_is_exact_in_every_dtype(dtype):
    with jax.enable_x64(dtype == "float64"):
        least = jnp.finfo(dtype).tiny
        params = {"w": jnp.array([[least, 0.0], [0.0, 0.0], [-least, 0.0], [1.0, 1.0]], dtype)}
        found = sparsity(params)
        assert (found.weights, found.groups) == (1 / 2, 1 / 4)
        assert sgl.live_groups(params)["w"].live == 3


def test_more_weights_than_fit_into_32_bits_are_counted():
    shapes = {"a": (50_000, 50_000), "c": (40_000, 40_000)}
    tree = {name: jax.ShapeDtypeStruct(shape, jnp.bfloat16) for name, shape in shapes.items()}
    assert jax.eval_shape(sgl.sparsity, tree).weights.dtype == jnp.float32
    rows = jnp.full((2**13, 1), 2**20, jnp.int32)  # as many as in the rows of a leaf
    assert int(_count([rows])) == 2**33


def test_live_groups_are_counted_per_leaf():
    live = sgl.live_groups(PARAMS)
    assert {path: tuple(map(int, counts)) for path, counts in live.items()} == {
        "conv/kernel": (2, 3),
        "fc/kernel": (3, 4),
    }
    by_filter = sgl.live_groups(PARAMS, sgl.by_filter())
    assert by_filter["fc/kernel"].count == by_filter["fc/kernel"].live == 2


def test_counts_are_the_same_with_and_without_jit():
    np.testing.assert_array_equal(sparsity(PARAMS), sgl.sparsity(PARAMS))
    live = jax.jit(lambda params: sgl.live_groups(params)["fc/kernel"].live)
    assert live(PARAMS) == sgl.live_groups(PARAMS)["fc/kernel"].live


def test_objective_is_loss_plus_what_a_link_adds():
    regularizer = sgl.Regularizer(sgl.L1(0.5), sgl.by_entry())
    state = sgl.add_penalty_gradient(regularizer).init(PARAMS)
    found = sgl.objective(jnp.array(2.0), state, PARAMS)
    expected = 2.0 + 0.5 * sum(float(np.abs(leaf).sum()) for leaf in jax.tree.leaves(PARAMS))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
