"""Constraints: projections against a search over all supports; ties, metrics, trees, refusals."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import sgl_jax as sgl


EXAMPLES = {
    "box": sgl.Box(-0.5, 1.0),
    "n_of_m": sgl.NofM(1, 2),
    "nonnegative": sgl.NonNegative(),
    "top_k": sgl.TopK(0.5),
}
names = pytest.mark.parametrize("name", sgl.CONSTRAINTS)

prox = jax.jit(
    lambda penalty, w, axes, metric=None: penalty.prox(w, 1.0, axes, metric), static_argnums=2
)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def nearest(w, k, d):
    """The best of all supports of k entries, the first of equal ones."""
    supports = list(itertools.combinations(range(w.size), min(k, w.size)))
    kept = [np.isin(np.arange(w.size), support) for support in supports]
    costs = [np.sum(d * np.where(mask, 0, w) ** 2) for mask in kept]
    return np.where(kept[int(np.argmin(costs))], w, 0)


def test_every_constraint_has_an_example():
    assert list(EXAMPLES) == list(sgl.CONSTRAINTS)


@pytest.mark.parametrize("in_metric", [False, True])
@pytest.mark.parametrize("axes", [(0,), (1,), (0, 2), (0, 1, 2)])
def test_top_k_is_the_best_of_all_supports(axes, in_metric):
    # Small integers, so that many magnitudes are equal.
    w = np.random.default_rng(0).integers(-3, 4, size=(2, 3, 2)).astype(np.float32)
    d = np.random.default_rng(1).choice([1.0, 4.0], w.shape) if in_metric else np.ones(w.shape)
    rest = tuple(axis for axis in range(3) if axis not in axes)
    rows, metrics = (np.transpose(x, (*rest, *axes)).reshape(-1, 12) for x in (w, d))
    size = int(np.prod([w.shape[axis] for axis in axes]))
    rows, metrics = rows.reshape(-1, size), metrics.reshape(-1, size)
    for k in (0, 1, 2, 5, size, 100):
        found = prox(sgl.TopK(k), w, axes, np.float32(d) if in_metric else None)
        found = np.transpose(found, (*rest, *axes)).reshape(-1, size)
        expected = [nearest(*row[:1], k, row[1]) for row in zip(rows, metrics, strict=True)]
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("in_metric", [False, True])
@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 2), (0, 3), (3, 3), (1, 1)])
@pytest.mark.parametrize("axis", [0, 1])
def test_n_of_m_is_the_best_of_all_supports(n, m, axis, in_metric):
    w = np.random.default_rng(0).integers(-3, 4, size=(12, 12)).astype(np.float32)
    d = np.random.default_rng(1).choice([1.0, 4.0], w.shape) if in_metric else np.ones(w.shape)
    found = prox(sgl.NofM(n, m), w, (axis,), np.float32(d) if in_metric else None)
    blocks, metrics, found = (np.moveaxis(x, axis, 1).reshape(-1, m) for x in (w, d, found))
    expected = [nearest(*row[:1], n, row[1]) for row in zip(blocks, metrics, strict=True)]
    np.testing.assert_array_equal(found, expected)


def test_bounds_clip_every_entry_in_every_metric():
    w = np.float32([-2.0, -0.5, 0.0, 0.25, 3.0])
    for metric in (None, np.float32([1, 2, 3, 4, 5])):
        np.testing.assert_array_equal(prox(EXAMPLES["box"], w, (), metric), np.clip(w, -0.5, 1))
        np.testing.assert_array_equal(prox(sgl.NonNegative(), w, (0,), metric), np.maximum(w, 0))
    np.testing.assert_array_equal(sgl.prox.project_box(w, 1.0, 2.0), np.clip(w, 1, 2))
    np.testing.assert_array_equal(sgl.prox.project_box(w, -jnp.inf, 2.0), np.clip(w, None, 2))


def test_functions_are_those_of_the_classes():
    w = jnp.asarray(draw(8, 3))
    np.testing.assert_array_equal(sgl.prox.project_top_k(w, 7), prox(sgl.TopK(7), w, (0, 1)))
    for axis in (0, -2):
        found = sgl.prox.project_n_of_m(w, 1, 2, axis)
        np.testing.assert_array_equal(found, prox(sgl.NofM(1, 2), w, (0,)))


@pytest.mark.parametrize(("share", "size", "kept"), [(0.29, 100, 29), (0.5, 5, 2), (0.0, 4, 0)])
def test_share_of_the_entries_is_rounded_down(share, size, kept):
    assert (
        np.count_nonzero(sgl.prox.project_top_k(jnp.asarray(1 + np.abs(draw(size))), share)) == kept
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@names
def test_projection_keeps_dtype_and_digits(name, dtype):
    with jax.enable_x64(dtype == "float64"):
        w = jnp.asarray(draw(8, 6), dtype)
        for metric in (None, jnp.ones_like(w)):
            found = prox(EXAMPLES[name], w, (0,), metric)
            assert found.dtype == dtype
            same = np.asarray(found == w)
            assert np.all(same | (np.asarray(found, float) == 0) | (name == "box"))
            assert 0 < same.sum() < w.size
        assert EXAMPLES[name].value(w, (0,)) == np.inf
        assert EXAMPLES[name].value(found, (0,)) == 0


@pytest.mark.parametrize(
    ("scale", "in_metric"),
    [(1e-42, False), (1e-30, False), (1e30, False), (1e-30, True), (1e30, True)],
)
def test_order_is_right_at_every_scale(scale, in_metric):
    w = np.float32([1.0, -4.0, 3.0, 2.0]) * np.float32(scale)
    metric = np.full(4, 1e-8, np.float32) if in_metric else None
    for penalty in (sgl.TopK(2), sgl.NofM(2, 4)):
        found = np.asarray(prox(penalty, w, (0,), metric))
        np.testing.assert_array_equal(found, w * [0, 1, 1, 0])


@names
def test_not_finite_entries_stay_and_do_not_spread(name):
    w = np.float32([[np.nan, 1.0], [np.inf, 2.0], [-np.inf, 0.0], [3.0, 40.0]])
    for metric in (None, np.ones_like(w)):
        found = np.asarray(prox(EXAMPLES[name], w, (1,), metric))
        bad = ~np.isfinite(w)
        np.testing.assert_array_equal(found[bad], w[bad])
        np.testing.assert_array_equal(np.isfinite(found), ~bad)
        np.testing.assert_array_equal(found[3], prox(EXAMPLES[name], w[3:], (1,))[0])


@pytest.mark.parametrize("shape", [(0,), (0, 4), (4, 0), (), (1, 2)])
@names
def test_empty_and_single_leaves_work(name, shape):
    for axes in {(len(shape) - 1,) if shape else (), tuple(range(len(shape)))}:
        if name == "n_of_m" and (len(axes) != 1):
            continue
        w = jnp.full(shape, 2.0)
        found = (
            sgl.CONSTRAINTS[name](1).prox(w, 1.0, axes)
            if name == "top_k"
            else prox(EXAMPLES[name], w, axes)
        )
        assert found.shape == shape
        left = {"box": 1.0}.get(name, 2.0)
        np.testing.assert_array_equal(np.ravel(found)[:1], np.full(min(w.size, 1), left))


@names
def test_projection_works_under_vmap_and_grad(name):
    w = jnp.asarray(draw(3, 4, 2))
    one = functools.partial(prox, EXAMPLES[name], axes=(0,))
    np.testing.assert_array_equal(jax.vmap(one)(w), [one(row) for row in w])
    slope = jax.grad(lambda w: jnp.sum(one(w) * 3))(w[0])
    found = np.asarray(one(w[0]))
    np.testing.assert_array_equal(slope, np.where(found == w[0], 3.0, 0.0))
    _, forward = jax.jvp(one, (w[0],), (jnp.full_like(w[0], 3.0),))
    np.testing.assert_array_equal(forward, slope)


@names
def test_constraint_has_no_strength(name):
    constraint = EXAMPLES[name]
    assert constraint.rescaled(7.0) is constraint
    w = jnp.asarray(draw(4, 2))
    for step in (0.0, 1e6):
        np.testing.assert_array_equal(constraint.prox(w, step, (0,)), prox(constraint, w, (0,)))
    value = constraint.value
    assert value(prox(constraint, w, (0,)), (0,), 0.0) == 0
    np.testing.assert_array_equal(hash(constraint), hash(type(constraint)(**vars(constraint))))


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


@names
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
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        act()
    assert sentence in str(caught.value)
    assert str(caught.value).endswith(".")
