"""Constraints on trees of parameters: ranks over leaves, fibres, training steps, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.constraints import EXAMPLES, draw, nearest
from support.refusals import complaint

import sgl_jax as sgl


PARAMS = {"a": {"kernel": jnp.asarray(draw(4, 6))}, "b": {"kernel": jnp.asarray(draw(3, 3, 8, 2))}}


def test_top_k_by_tree_ranks_all_leaves_together():
    params = {
        "a": jnp.asarray(draw(4)),
        "b": jnp.asarray(draw(2, 3), jnp.bfloat16),
        "c": jnp.ones(()),
    }
    flat = np.concatenate([np.ravel(np.asarray(leaf, np.float32)) for leaf in params.values()])
    for k in (0, 3, 0.5, 11):
        found = sgl.Regularizer(sgl.TopK(k), sgl.by_tree()).prox(params, 1.0)
        assert [leaf.dtype for leaf in found.values()] == [leaf.dtype for leaf in params.values()]
        found = [np.ravel(np.asarray(leaf, np.float32)) for leaf in found.values()]
        count = int(k * 11) if isinstance(k, float) else k
        np.testing.assert_array_equal(np.concatenate(found), nearest(flat, count, 1.0))
    ones = jax.tree.map(jnp.ones_like, params)
    found = sgl.Regularizer(sgl.TopK(5), sgl.by_tree()).prox(ones, 1.0)
    assert [int(jnp.sum(leaf)) for leaf in found.values()] == [4, 1, 0]


def test_top_k_of_groups_behind_an_index_map_counts_each():
    member = sgl.Member("w", (2, 4), (0,), (0, 1, 1, 1))
    w = jnp.asarray(draw(2, 4))
    groups = sgl.Groups((sgl.Group((member,)),))
    for k, counts in ((1, (1, 1)), (0.5, (1, 3))):
        found = np.asarray(sgl.Regularizer(sgl.TopK(k), groups).prox({"w": w}, 1.0)["w"])
        assert (np.count_nonzero(found[:, 0]), np.count_nonzero(found[:, 1:])) == counts


@pytest.mark.parametrize("layout", ["HWIO", "OIHW"])
def test_input_fibres_span_the_input_axis(layout):
    groups = sgl.by_input_fibre(layout=layout).resolve(PARAMS)
    inputs = {"HWIO": [(0,), (2,)], "OIHW": [(1,), (1,)]}[layout]
    assert [group.members[0].axes for group in groups] == inputs
    assert len(sgl.by_input_fibre(kernels="conv").resolve(PARAMS)) == 1
    found = sgl.Regularizer(sgl.NofM()).prox(PARAMS, 1.0)
    blocks = np.moveaxis(np.asarray(found["b"]["kernel"]), 2, -1).reshape(-1, 4)
    np.testing.assert_array_equal(np.count_nonzero(blocks, axis=1), 2)


@pytest.mark.parametrize("name", sgl.CONSTRAINTS)
def test_training_steps_end_inside(name):
    regularizer = sgl.Regularizer(EXAMPLES[name])
    with jax.numpy_dtype_promotion("standard"):
        tx = sgl.prox_adam(1e-2, regularizer)
        state = tx.init(PARAMS)
        grads = jax.tree.map(jnp.sin, PARAMS)
        updates, state = jax.jit(tx.update)(grads, state, PARAMS)
        found = sgl.sparse_params(state, optax.apply_updates(PARAMS, updates))
    if name == "box":
        assert all(jnp.all(jnp.abs(leaf) < 1 + 1e-6) for leaf in jax.tree.leaves(found))
    else:
        assert regularizer.value(found) == 0


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_splitting_couples_to_the_projection(share):
    tx = sgl.sgl_transform(sgl.TopK(share), beta=0.5, group_lam=0.0)
    state = tx.init(PARAMS)
    updates, state = jax.jit(tx.update)(jax.tree.map(jnp.zeros_like, PARAMS), state, PARAMS)
    v = jax.jit(sgl.sparse_params)(state, PARAMS)
    for layer, leaf in PARAMS.items():
        w = leaf["kernel"]
        np.testing.assert_array_equal(v[layer]["kernel"], sgl.prox.project_top_k(w, share))
        np.testing.assert_allclose(updates[layer]["kernel"], 0.5 * (w - v[layer]["kernel"]))
    pairs = zip(*map(jax.tree.leaves, (PARAMS, v)), strict=True)
    gap = sum(jnp.sum((w - z) ** 2) for w, z in pairs)
    np.testing.assert_allclose(jax.jit(sgl.penalty_value)(state, PARAMS), 0.25 * gap, rtol=1e-5)


REFUSED = {
    "bounds": (lambda: sgl.Box(1.0, 0.0), "Box needs low <= high, got low=1.0, high=0.0."),
    "count": (
        lambda: sgl.TopK(-1),
        "TopK needs k to be an int >= 0 or a float in [0, 1], got k=-1.",
    ),
    "share": (lambda: sgl.TopK(1.5), "got k=1.5."),
    "truth": (lambda: sgl.TopK(True), "got k=True."),
    "neighbours": (lambda: sgl.NofM(3, 2), "NofM needs integers 0 <= n <= m with m >= 1, got n=3"),
    "length": (
        lambda: sgl.Regularizer(sgl.NofM()).prox({"fc": jnp.ones((6, 2))}, 1.0),
        "NofM needs an input axis that m=4 divides, got length 6 in 'fc'; leave it out",
    ),
    "fibres": (
        lambda: sgl.Regularizer(sgl.NofM(), sgl.by_layer()).prox({"fc": jnp.ones((8, 2))}, 1.0),
        "NofM needs groups that are fibres along one axis, got groups over the axes (0, 1) of 'fc'",
    ),
    "strength": (
        lambda: sgl.sgl_transform(sgl.TopK(3), beta=1.0),
        "sgl_transform needs a group_lam beside TopK, which has no lam, got None; give 0",
    ),
    "gradient": (
        lambda: sgl.add_penalty_gradient(sgl.Regularizer(sgl.TopK(3))),
        "TopK",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_misuse_is_refused_in_one_sentence(case):
    act, sentence = REFUSED[case]
    assert sentence in complaint(act)
