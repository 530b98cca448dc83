"""Regularizers over a tree: sums, weights, refusals; the joint prox of entries and groups."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import minima, oracles
from support.tiers import usual

import sgl_jax as sgl
from sgl_jax.regularizers import entry_groups


def draw(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


PARAMS = {
    "conv": {"kernel": draw(2, 2, 3, 4), "bias": draw(4)},
    "fc": {"kernel": draw(6, 3), "bias": draw(3)},
    "step": jnp.array(7),
}
names = pytest.mark.parametrize("name", oracles.SHAPES)
norms_only = pytest.mark.parametrize("name", oracles.SCALARS)

value = jax.jit(lambda regularizer, params: regularizer.value(params))
prox = jax.jit(lambda regularizer, *args: regularizer.prox(*args))


@functools.partial(jax.jit, static_argnums=3)
def of_leaf(penalty, w, step, axes):
    """Value and prox of one leaf."""
    return penalty.value(w, axes), penalty.prox(w, step, axes)


def make(name, lam):
    return sgl.PENALTIES[name](lam, **oracles.SHAPES[name][0])


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def assert_trees_close(found, expected, rtol=2e-6, atol=1e-7):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=rtol, atol=atol), found, expected
    )


@pytest.mark.parametrize("name", usual(oracles.SHAPES, ["l1", "lq", "mcp", "exclusive"]))
def test_regularizer_is_the_sum_over_its_leaves(name):
    regularizer = sgl.Regularizer(make(name, 0.3), sgl.by_neuron(), "sqrt_size")
    expected, total = dict(PARAMS), 0.0
    for leaf, axes, weight in (("conv", (0, 1, 2), np.sqrt(12)), ("fc", (1,), np.sqrt(3))):
        found = of_leaf(make(name, 0.3), PARAMS[leaf]["kernel"], 0.4 * weight, axes)
        total += weight * found[0]
        expected[leaf] = PARAMS[leaf] | {"kernel": found[1]}
    np.testing.assert_allclose(value(regularizer, PARAMS), total, rtol=2e-6)
    assert_trees_close(prox(regularizer, PARAMS, 0.4), expected)


@names
def test_default_grouping_and_weight_are_those_of_the_penalty(name):
    penalty, w = make(name, 0.3), draw(3, 4)
    axes = {"l1_minus_l2": (0, 1), "exclusive": (1,)}.get(name, ())
    _, expected = of_leaf(penalty, w, 0.5, axes)
    assert_trees_close(prox(sgl.Regularizer(penalty), {"w": w}, 0.5), {"w": expected})


@pytest.mark.parametrize("name", ["l1", "l1_minus_l2"])
def test_by_tree_is_one_group_over_all_leaves(name):
    params = {"a": draw(2, 3), "b": draw(4, seed=1), "c": draw(seed=2)}
    regularizer = sgl.Regularizer(make(name, 0.3), sgl.by_tree(), None)
    flat = np.concatenate([leaf.ravel() for leaf in params.values()])
    total, expected = of_leaf(make(name, 0.3), flat, 0.5, (0,))
    np.testing.assert_allclose(value(regularizer, params), total, rtol=2e-6)
    found = [leaf.ravel() for leaf in prox(regularizer, params, 0.5).values()]
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=2e-6)


@pytest.mark.parametrize("per_group", [False, True])
def test_tree_of_weights_weighs_leaves_or_groups(per_group):
    weights = {"conv": {"kernel": np.arange(4.0) if per_group else 2.0}, "fc": {"kernel": 0.5}}
    regularizer = sgl.Regularizer(sgl.L1(1.0), sgl.by_neuron(), weights)
    norms = [np.linalg.norm(np.reshape(PARAMS["conv"]["kernel"], (12, 4)), axis=0)]
    norms += [np.linalg.norm(PARAMS["fc"]["kernel"], axis=1)]
    expected = np.sum(weights["conv"]["kernel"] * norms[0]) + 0.5 * norms[1].sum()
    np.testing.assert_allclose(value(regularizer, PARAMS), expected, rtol=2e-6)
    found = prox(regularizer, PARAMS, 0.7)["conv"]["kernel"]
    left = np.maximum(norms[0] - 0.7 * weights["conv"]["kernel"], 0)
    np.testing.assert_allclose(np.linalg.norm(found.reshape(12, 4), axis=0), left, atol=1e-6)


def test_weights_of_one_leaf_are_an_array():
    for weight in (jnp.array([1.0, 2.0]), np.array([1.0, 2.0])):
        regularizer = sgl.Regularizer(sgl.L1(0.5), sgl.by_filter(), weight)
        np.testing.assert_allclose(value(regularizer, jnp.ones((4, 2))), 3.0, rtol=1e-6)


def test_groups_of_unequal_size_weigh_the_root_of_their_own():
    member = sgl.Member("w", (2, 4), (0,), (0, 1, 1, 1))
    regularizer = sgl.Regularizer(sgl.L1(1.0), sgl.Groups((sgl.Group((member,)),)), "sqrt_size")
    np.testing.assert_allclose(value(regularizer, {"w": jnp.ones((2, 4))}), 2.0 + 6.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("weight", "sentence"),
    [
        ("size", "Regularizer needs a weight among sqrt_size, None or .*, got 'size'"),
        ({"conv": {"kernel": 1.0}}, "needs 1 number or 6, .* at 'fc/kernel', got none"),
        ({"conv": {"kernel": np.ones(3)}}, "needs 1 number or 4, .* at 'conv/kernel', got 3"),
    ],
)
def test_unknown_weights_are_refused(weight, sentence):
    with pytest.raises(ValueError, match=sentence):
        sgl.Regularizer(sgl.L1(1.0), sgl.by_neuron(), weight).value(PARAMS)


def test_overlapping_groups_have_a_value_and_no_prox():
    filters, inputs = (rule().resolve(PARAMS) for rule in (sgl.by_filter, sgl.by_input_channel))
    both = sgl.Regularizer(sgl.L1(0.5), sgl.Groups((*filters, *inputs)))
    parts = [sgl.Regularizer(sgl.L1(0.5), groups, "sqrt_size") for groups in (filters, inputs)]
    expected = sum(value(part, PARAMS) for part in parts)
    np.testing.assert_allclose(value(both, PARAMS), expected, rtol=2e-6)
    with pytest.raises(ValueError, match="needs disjoint groups, got a leaf in two"):
        both.prox(PARAMS, 1.0)


def test_resolved_regularizers_keep_their_plan():
    for rule in (sgl.Regularizer(sgl.L1(0.5)), sgl.SparseGroup(sgl.L1(0.5), sgl.L1(0.5))):
        resolved = rule.resolved(PARAMS)
        assert resolved.paths == resolved.grouping.paths
        assert value(resolved, PARAMS) == value(rule, PARAMS)
        assert resolved.resolved(PARAMS).grouping is resolved.grouping
        with pytest.raises(ValueError, match="These groups need a leaf 'conv/"):
            resolved.value({"fc": PARAMS["fc"]})


@norms_only
def test_prox_in_a_metric_is_the_argmin_of_every_entry(name, x64):
    d = np.exp(3 * np.random.default_rng(0).normal(size=(200, 1)))
    w = oracles.inputs(name, 0.125, oracles.SHAPES[name][0], 1 / d[:, 0])
    d = np.broadcast_to(d, w.shape).copy()
    regularizer = sgl.Regularizer(make(name, 0.125), weight=None)
    z = np.asarray(prox(regularizer, {"w": w}, 1.0, {"w": d})["w"])
    penalty = oracles.SCALARS[name].phi(np.abs(z), 0.125, **oracles.SHAPES[name][0])
    least = minima.least_cost(name, w, 1.0, 0.125, d, **oracles.SHAPES[name][0])
    rounding = d * (8 * np.finfo(float).eps * w) ** 2 + 1e-300
    excess = penalty + d * (z - w) ** 2 / 2 - least
    np.testing.assert_array_less(excess, 1e-12 * least + rounding)


@pytest.mark.parametrize("name", usual(["l0", "l1", "elastic_net", "lq", "scad"], ["l1", "scad"]))
def test_prox_of_groups_in_a_metric_of_ones_is_the_euclidean(name):
    regularizer = sgl.Regularizer(make(name, 0.5), sgl.by_filter(), None)
    params = {"fc": PARAMS["fc"]}
    ones = jax.tree.map(jnp.ones_like, params)
    expected = prox(regularizer, params, 1.0)
    for step in (1, jnp.array(1.0)):
        assert_trees_close(prox(regularizer, params, step, ones), expected, rtol=2e-5, atol=2e-6)


def test_prox_of_groups_in_a_metric_needs_a_norm():
    regularizer = sgl.Regularizer(sgl.L1MinusL2(0.5), sgl.by_filter(), None)
    with pytest.raises(ValueError, match=r"metric needs .*, got L1MinusL2"):
        regularizer.prox(PARAMS, 1.0, PARAMS)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_group_prox_in_a_metric_is_optimal_for_wide_metrics(dtype):
    draw = np.random.default_rng(0)
    w = np.float32(draw.normal(size=(400, 6)))
    d = np.float32(np.exp(3 * draw.normal(size=w.shape)))
    # From a hair of the group to twice what kills it.
    pull = np.linalg.norm(np.float64(d) * w, axis=1)
    steps = np.float32(pull * np.tile([1e-6, 1e-3, 0.1, 0.5, 0.9, 1 - 1e-5, 1 + 1e-5, 2.0], 50))
    with jax.enable_x64(dtype == "float64"):
        args = [jnp.asarray(array, dtype) for array in (w, steps[:, None], d)]
        w, steps, d = (np.asarray(array, float) for array in args)
        found = sgl.L1(1.0).prox(args[0], args[1], (1,), args[2])
        z = np.asarray(found, float)
    residuals = [
        minima.group_residual_in_metric(*row) for row in zip(z, w, d, steps[:, 0], strict=True)
    ]
    tolerance = 1e-10 if dtype == "float64" else 1e-5 * np.max(d * np.abs(w), axis=1)
    np.testing.assert_array_less(residuals, tolerance)
    alive = np.any(z != 0, axis=1).reshape(50, 8)
    np.testing.assert_array_equal(alive, np.tile([True] * 6 + [False] * 2, (50, 1)))


@norms_only
@pytest.mark.parametrize("step", [0.1, 1.0, 6.0])
def test_sparse_group_prox_is_the_argmin_on_a_plane(name, step, x64):
    group = make(name, 0.3)
    regularizer = sgl.SparseGroup(sgl.L1(0.2), group, sgl.by_filter(), None)
    w = np.random.default_rng(0).normal(size=(2, 20)) * np.linspace(0.1, 3 * step, 20)
    z = np.asarray(prox(regularizer, w, step))

    def cost(z):
        norms = oracles.SCALARS[name].phi(np.hypot(*z), 0.3, **oracles.SHAPES[name][0])
        penalty = 0.2 * np.abs(z).sum(0) + norms
        return step * penalty + ((z - w[:, None]) ** 2).sum(0) / 2

    ticks = np.linspace(-0.2, 1.2, 141)
    grid = np.stack(np.meshgrid(ticks, ticks)).reshape(2, -1, 1) * w[:, None]
    np.testing.assert_array_less(cost(z[:, None])[0], cost(grid).min(0) * (1 + 1e-12) + 1e-300)


def test_sparse_group_prox_in_a_metric_is_optimal(x64):
    w, d = (np.random.default_rng(seed).normal(size=(5, 60)) for seed in (0, 1))
    d, step = np.exp(2 * d), 0.7
    regularizer = sgl.SparseGroup(sgl.L1(0.3), sgl.L1(0.5), sgl.by_filter())
    z = np.asarray(prox(regularizer, w, step, d))
    residuals = [
        minima.group_residual_in_metric(*columns, step * 0.5 * np.sqrt(5), step * 0.3)
        for columns in zip(z.T, w.T, d.T, strict=True)
    ]
    np.testing.assert_array_less(residuals, 1e-10)
    assert 0 < (z == 0).all(0).sum() < 60
    assert (z[:, (z != 0).any(0)] == 0).any()


@names
def test_sparse_group_value_is_the_sum(name):
    entry, group = make(name, 0.2), sgl.MCP(0.3)
    regularizer = sgl.SparseGroup(entry, group, sgl.by_filter())
    kernels = {key: {"kernel": PARAMS[key]["kernel"]} for key in ("conv", "fc")}
    entries, groups = sgl.Regularizer(entry), sgl.Regularizer(group, sgl.by_filter(), "sqrt_size")
    expected = value(entries, kernels) + value(groups, PARAMS)
    np.testing.assert_allclose(value(regularizer, PARAMS), expected, rtol=2e-6)


def test_sparse_group_entries_live_in_the_leaves_of_the_groups():
    groups = sgl.by_filter().resolve(PARAMS)
    assert entry_groups(sgl.L1(1.0), None, groups, PARAMS).paths == groups.paths
    found = prox(sgl.SparseGroup(sgl.L1(9.0), sgl.L1(9.0)), PARAMS, 1.0)
    assert not np.any(found["conv"]["kernel"])
    np.testing.assert_array_equal(found["conv"]["bias"], PARAMS["conv"]["bias"])
    with pytest.raises(ValueError, match="L1MinusL2"):
        sgl.SparseGroup.__post_init__(type("Asked", (), {"group": sgl.L1MinusL2(1.0)})())


def test_entry_penalty_without_a_group_among_the_leaves_adds_nothing():
    # Exclusive sparsity groups kernels alone, and the only leaf here is no kernel.
    params = {"kernel": jnp.ones((4, 2)), "scale": jnp.array([0.25, -0.5])}
    grouping = sgl.by_entry(only="scale")
    both = sgl.SparseGroup(sgl.Exclusive(0.1), sgl.L1(0.1), grouping)
    groups = sgl.Regularizer(sgl.L1(0.1), grouping)
    assert both.value(params) == groups.value(params)
    link = sgl.sgl_transform(sgl.Exclusive(0.1), beta=0.1, group_lam=0.1, grouping=grouping)
    sparse = sgl.sparse_params(link.init(params), params)
    jax.tree.map(np.testing.assert_array_equal, sparse, params)
