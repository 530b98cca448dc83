"""What each link adds to an update, and what is read off its state, against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support import oracles
from support.iterates import soft
from support.problems import assert_same, draw, gradients, run, stepper

import sgl_jax as sgl


pytestmark = pytest.mark.usefixtures("double")

GROUP_AXES = {"conv": (0, 1, 2), "fc": (1,)}
BASES = {"sgd": optax.sgd, "adam": optax.adam, "adamw": optax.adamw, "lion": optax.lion}


def group_pull(w, axes):
    """The gradient of the sum over groups of the norm, times the root of the size."""
    norms = np.sqrt((w**2).sum(axis=axes, keepdims=True))
    root_size = np.sqrt(np.prod([w.shape[axis] for axis in axes]))
    return root_size * np.where(norms > 0, w / np.where(norms > 0, norms, 1), 0)


def splitting_pull(params, lam, beta, group_lam):
    """What the splitting with l1 adds to the gradient."""
    pull = jax.tree.map(np.zeros_like, params)
    for layer, axes in GROUP_AXES.items():
        w = np.asarray(params[layer]["kernel"])
        coupling = beta * (w - soft(w, lam / beta))
        pull[layer]["kernel"] = group_lam * group_pull(w, axes) + coupling
    return pull


@pytest.mark.parametrize("base", BASES)
def test_splitting_adds_its_gradient_before_any_base(base):
    with jax.numpy_dtype_promotion("standard"):
        tx = BASES[base](0.01)
        link = sgl.sgl_transform(sgl.L1(0.02), beta=0.1)
        found, _ = run(optax.chain(link, tx), draw(0, 0.3), gradients(10))
        step, _ = stepper(tx)
        expected = draw(0, 0.3)
        state = tx.init(expected)
        for gradient in gradients(10):
            total = jax.tree.map(jnp.add, gradient, splitting_pull(expected, 0.02, 0.1, 0.02))
            expected, state = step(expected, state, total)
    assert_same(found, expected, rtol=1e-5)


@pytest.mark.parametrize("group_lam", [0.0, 0.07])
def test_splitting_takes_another_strength_for_its_groups(group_lam):
    params = draw(0, 0.3)
    tx = sgl.sgl_transform(sgl.L1(0.02), beta=0.1, group_lam=group_lam)
    found, state = tx.update(gradients(1)[0], tx.init(params), params)
    pull = splitting_pull(params, 0.02, 0.1, group_lam)
    assert_same(found, jax.tree.map(jnp.add, gradients(1)[0], pull), rtol=1e-5)
    v = sgl.sparse_params(state, params)["conv"]["kernel"]
    np.testing.assert_allclose(v, soft(params["conv"]["kernel"], 0.2), rtol=1e-5, atol=1e-7)


def test_two_splittings_share_a_tree():
    params = draw(0, 0.3)
    conv = sgl.sgl_transform(sgl.L1(0.02), beta=0.1, grouping=sgl.by_neuron(only="conv"))
    rest = sgl.sgl_transform(sgl.L1(0.02), beta=0.2, grouping=sgl.by_neuron(skip="conv"))
    tx = optax.chain(conv, rest)
    found, state = tx.update(gradients(1)[0], tx.init(params), params)
    sparse = sgl.sparse_params(state, params)
    for layer, beta in (("conv", 0.1), ("fc", 0.2)):
        w = np.asarray(params[layer]["kernel"])
        pull = splitting_pull(params, 0.02, beta, 0.02)[layer]["kernel"]
        gradient = np.asarray(gradients(1)[0][layer]["kernel"])
        np.testing.assert_allclose(found[layer]["kernel"], gradient + pull, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(
            sparse[layer]["kernel"], soft(w, 0.02 / beta), rtol=1e-5, atol=1e-7
        )
        np.testing.assert_array_equal(sparse[layer]["bias"], params[layer]["bias"])


def test_splitting_thresholds_by_the_groups_it_is_given():
    params = draw(0, 0.3)
    tx = sgl.sgl_transform(sgl.L1(0.01), beta=0.1, entry_grouping=sgl.by_filter(only="conv"))
    sparse = sgl.sparse_params(tx.init(params), params)
    w = np.asarray(params["conv"]["kernel"])
    norms = np.sqrt((w**2).sum(axis=(0, 1, 2)))
    expected = w * np.maximum(1 - 0.1 * np.sqrt(18) / norms, 0)
    np.testing.assert_allclose(sparse["conv"]["kernel"], expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(sparse["fc"]["kernel"], params["fc"]["kernel"])


def test_splitting_gap_is_the_relative_distance_of_v():
    params = draw(0, 0.3)
    state = sgl.sgl_transform(sgl.L1(0.02), beta=0.1).init(params)
    w = np.concatenate([np.ravel(params[layer]["kernel"]) for layer in GROUP_AXES])
    expected = np.linalg.norm(w - soft(w, 0.2)) / np.linalg.norm(w)
    np.testing.assert_allclose(sgl.splitting_gap(state, params), expected, rtol=1e-6)
    assert sgl.splitting_gap(state, jax.tree.map(jnp.zeros_like, params)) == 0


def dead_params():
    """Parameters with a dead filter, a dead input and a zero entry."""
    params = draw(0, 0.3)
    params["conv"]["kernel"] = params["conv"]["kernel"].at[..., 1].set(0).at[0, 0, 0, 0].set(0)
    params["fc"]["kernel"] = params["fc"]["kernel"].at[2].set(0)
    return params


def test_penalty_gradient_is_the_subgradient_with_zeros_at_zero():
    params = dead_params()
    regularizer = sgl.SparseGroup(sgl.L1(0.02), sgl.L1(0.05))
    tx = sgl.add_penalty_gradient(regularizer)
    found, state = tx.update(gradients(1)[0], tx.init(params), params)
    value = 0.0
    for layer, axes in GROUP_AXES.items():
        w = np.asarray(params[layer]["kernel"], np.float64)
        expected = gradients(1)[0][layer]["kernel"] + 0.02 * np.sign(w) + 0.05 * group_pull(w, axes)
        np.testing.assert_allclose(found[layer]["kernel"], expected, rtol=1e-5, atol=1e-7)
        np.testing.assert_array_equal(found[layer]["bias"], gradients(1)[0][layer]["bias"])
        value += 0.02 * np.abs(w).sum() + 0.05 * (w * group_pull(w, axes)).sum()
    np.testing.assert_allclose(sgl.penalty_value(state, params), value, rtol=1e-6)
    np.testing.assert_allclose(sgl.objective(jnp.ones(()), state, params), 1 + value, rtol=1e-6)
    assert_same(sgl.sparse_params(state, params), params)


@pytest.mark.parametrize("grouping", [sgl.by_entry(), sgl.by_filter(), sgl.by_layer()])
@pytest.mark.parametrize("name", [name for name in oracles.SHAPES if name != "l0"])
def test_penalty_gradient_is_zero_at_zero(name, grouping):
    params = {"kernel": jnp.zeros((2, 3))}
    tx = sgl.add_penalty_gradient(sgl.Regularizer(sgl.PENALTIES[name](0.1), grouping))
    updates, _ = tx.update({"kernel": jnp.ones((2, 3))}, tx.init(params), params)
    np.testing.assert_array_equal(updates["kernel"], 1)


def test_splitting_leaves_dead_groups_to_the_gradient():
    params = dead_params()
    tx = sgl.sgl_transform(sgl.L1(0.02), beta=0.1)
    found, _ = tx.update(gradients(1)[0], tx.init(params), params)
    np.testing.assert_array_equal(
        found["conv"]["kernel"][..., 1], gradients(1)[0]["conv"]["kernel"][..., 1]
    )
    np.testing.assert_array_equal(found["fc"]["kernel"][2], gradients(1)[0]["fc"]["kernel"][2])


def test_apply_prox_is_the_prox_of_the_next_parameters():
    params, u = draw(0, 0.3), gradients(1)[0]
    tx = sgl.apply_prox(sgl.Regularizer(sgl.L1(0.5), sgl.by_entry(skip="bias")), 0.2)
    updates, state = tx.update(u, tx.init(params), params)
    moved = optax.apply_updates(params, updates)
    for layer in GROUP_AXES:
        expected = soft(np.asarray(params[layer]["kernel"] + u[layer]["kernel"]), np.float32(0.1))
        np.testing.assert_array_equal(moved[layer]["kernel"] == 0, expected == 0)
        np.testing.assert_allclose(moved[layer]["kernel"], expected, rtol=1e-5, atol=1e-7)
        np.testing.assert_array_equal(updates[layer]["bias"], u[layer]["bias"])
    np.testing.assert_allclose(
        sgl.penalty_value(state, params),
        0.5 * sum(np.abs(params[layer]["kernel"]).sum() for layer in GROUP_AXES),
        rtol=1e-6,
    )


def test_proximal_takes_the_metric_of_a_bare_transformation():
    params, gradient = draw(0, 0.3), gradients(1)[0]
    regularizer = sgl.Regularizer(sgl.L1(0.1))
    bare = optax.scale_by_rss(initial_accumulator_value=0.01)

    def metric(state):
        return jax.tree.map(jnp.sqrt, state.sum_of_squares)

    for given, power in ((metric, 0.5), (None, 0.0)):
        tx = sgl.proximal(bare, regularizer, 0.1, metric=given)
        updates, _ = tx.update(gradient, tx.init(params), params)
        moved = optax.apply_updates(params, updates)
        w, g = (np.asarray(tree["conv"]["kernel"]) for tree in (params, gradient))
        squares = 0.01 + g**2
        expected = soft(w - 0.1 * g / np.sqrt(squares), 0.1 * 0.1 / squares**power)
        np.testing.assert_allclose(moved["conv"]["kernel"], expected, rtol=1e-4, atol=1e-6)


def test_proximal_sgd_is_a_step_and_a_prox():
    params = draw(0, 0.3)
    regularizer = sgl.Regularizer(sgl.MCP(0.4), sgl.by_neuron())
    owned, _ = run(sgl.prox_sgd(0.1, regularizer), params, gradients(10))
    chained, _ = run(
        optax.chain(optax.sgd(0.1), sgl.apply_prox(regularizer, 0.1)), params, gradients(10)
    )
    assert_same(owned, chained)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_what_shrinks_out_of_the_normal_numbers_is_zero(dtype):
    # A large entry keeps the group alive, whose factor is 0.8; 1.4e-38 times that is no normal
    # number, and neither is the difference.
    params = jnp.array([1.0, 1.4e-38], dtype)
    regularizer = sgl.Regularizer(sgl.L1(0.2), sgl.by_layer(), weight=None)
    tx = sgl.apply_prox(regularizer, 1.0)
    step = jax.jit(lambda params, state: tx.update(jnp.zeros_like(params), state, params))
    state = tx.init(params)
    for _ in range(3):
        updates, state = step(params, state)
        params = optax.apply_updates(params, updates)
    assert params[0] > 0
    assert params[1] == 0
    sgl.check(state)


@pytest.mark.parametrize(
    ("build", "trees"),
    {
        "prox_adam": (lambda both: sgl.prox_adam(0.1, both), "parameters, updates, metric"),
        "splitting": (lambda both: sgl.splitting(0.1, both, beta=0.1), "parameters, updates"),
        "admm": (lambda both: sgl.admm(0.1, both), "parameters, updates"),
    }.values(),
    ids=["prox_adam", "splitting", "admm"],
)
def test_traced_update_flattens_each_tree_once(build, trees, monkeypatch):
    params, gradient = draw(0), draw(1)
    tx = build(sgl.SparseGroup(sgl.L1(0.1), sgl.L1(0.1)))
    state, like, flattened = tx.init(params), jax.tree.structure(params), []
    flatten = jax.tree_util.tree_flatten_with_path

    def counting(tree, *args, **options):
        flattened.extend(["tree"] if jax.tree.structure(tree) == like else [])
        return flatten(tree, *args, **options)

    monkeypatch.setattr(jax.tree_util, "tree_flatten_with_path", counting)
    jax.make_jaxpr(tx.update)(gradient, state, params)
    assert len(flattened) == len(trees.split(", "))
