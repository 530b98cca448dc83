"""Every direction by its namesake in Optax, by its metric, and by the lasso it solves."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.problems import assert_same, descend, draw, gradients, run, small_lasso

import sgl_jax as sgl
from sgl_jax.directions import DIRECTIONS


NAMESAKES = {
    "adam": (sgl.prox_adam, optax.adam, {}),
    "adam_with_options": (sgl.prox_adam, optax.adam, {"b1": 0.8, "b2": 0.9, "eps": 1e-3}),
    "sgd": (sgl.prox_sgd, optax.sgd, {}),
    "momentum": (sgl.prox_sgd, optax.sgd, {"momentum": 0.9}),
    "nesterov": (sgl.prox_sgd, optax.sgd, {"momentum": 0.9, "nesterov": True}),
}
"""A proximal optimizer, the one of Optax that it becomes without a regularizer, and options."""


def directed(name):
    """The proximal optimizer with a direction of the catalogue."""

    def build(rate, regularizer=None, **options):
        return sgl.proximal(DIRECTIONS[name](**options), regularizer, rate)

    return build


OPTIONS = {
    "adamw": {"weight_decay": 0.01, "nesterov": True},
    "adan": {"weight_decay": 0.01},
    "rmsprop": {"eps_in_sqrt": False, "bias_correction": True, "initial_scale": 0.1},
}
"""Other options than the default, of some directions."""

for name in DIRECTIONS:
    NAMESAKES[f"direction {name}"] = (directed(name), getattr(optax, name), {})
for name, options in OPTIONS.items():
    NAMESAKES[f"direction {name} with options"] = (directed(name), getattr(optax, name), options)


pytestmark = pytest.mark.usefixtures("standard_promotion")


@pytest.mark.parametrize("namesake", NAMESAKES)
def test_without_a_regularizer_it_is_its_namesake_bit_for_bit(namesake):
    ours, theirs, options = NAMESAKES[namesake]
    trees = []
    for tx in (ours(0.05, **options), theirs(0.05, **options)):
        params = draw(0, 0.3)
        state = tx.init(params)
        for gradient in gradients(3):
            updates, state = tx.update(gradient, state, params)
            params = optax.apply_updates(params, updates)
        trees.append((params, updates))
    jax.tree.map(np.testing.assert_array_equal, *trees)


@pytest.mark.parametrize("namesake", NAMESAKES)
def test_without_a_regularizer_it_is_its_namesake_inside_jit(namesake, double):
    ours, theirs, options = NAMESAKES[namesake]
    updates = []
    for factory in (ours, theirs):
        tx = factory(0.05, **options)
        params = draw(0, 0.3)
        once = jax.jit(tx.update)
        state = tx.init(params)
        for gradient in gradients(3):
            update, state = once(gradient, state, params)
        updates.append(update)
    assert_same(*updates, rtol=1e-12)


@pytest.mark.parametrize("namesake", ["adam", "nesterov"])
def test_with_a_regularizer_of_no_strength_it_is_near_its_namesake(namesake, double):
    ours, theirs, options = NAMESAKES[namesake]
    nothing = sgl.SparseGroup(sgl.L1(0.0), sgl.L1(0.0))
    found, _ = run(ours(0.05, nothing, **options), draw(0, 0.3), gradients(10))
    expected, _ = run(theirs(0.05, **options), draw(0, 0.3), gradients(10))
    assert_same(found, expected, rtol=1e-12)


RATES = {"adagrad": 0.3} | dict.fromkeys(set(DIRECTIONS) - {"adagrad"}, 0.05)
WITHOUT_MEMORY = {"adagrad", "rmsprop", "sgd"}


@pytest.mark.parametrize("name", sorted(DIRECTIONS))
def test_direction_solves_the_lasso_in_its_metric(name, double):
    lasso = small_lasso()
    options = {"weight_decay": 0.0} if name == "adamw" else {}
    regularizer = sgl.Regularizer(sgl.L1(lasso.lam))
    tx = sgl.proximal(DIRECTIONS[name](**options), regularizer, RATES[name])
    w, state = descend(tx, lasso.loss, 0.1 * jax.random.normal(jax.random.key(1), (100,)), 1500)
    assert np.sum(sgl.sparse_params(state, w) == 0) == 95
    assert lasso.objective(w) == pytest.approx(1.4698468, abs=1e-7)


@pytest.mark.parametrize("name", sorted(DIRECTIONS))
def test_direction_is_the_gradient_in_its_metric(name, double):
    direction = DIRECTIONS[name](**({} if name in WITHOUT_MEMORY else {"b1": 0.0}))
    params, grads = draw(0, 0.3), gradients(2)
    state = direction.init(params)
    for gradient in grads:
        found, state = direction.update(gradient, state, params)
    if direction.metric is not None:
        found = jax.tree.map(jnp.multiply, found, direction.metric(state))
    expected = grads[-1]
    if name == "adamw":
        metric = direction.metric(state)
        expected = jax.tree.map(lambda g, d, w: g + 1e-4 * d * w, expected, metric, params)
    if name == "adan":  # the look ahead along the difference of the gradients
        ahead = (1 - 0.92) * (1 - 0.92) / (1 - 0.92**2)
        expected = jax.tree.map(lambda g, h: g + ahead * (g - h), grads[1], grads[0])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9), found, expected)


@pytest.mark.parametrize("name", sorted(set(DIRECTIONS) - {"sgd"}))
def test_direction_refuses_a_metric_that_can_vanish(name):
    with pytest.raises(ValueError, match=r"needs eps > 0, got eps=0.0\.$"):
        DIRECTIONS[name](eps=0.0)


def test_euclidean_prox_behind_lion_stops_elsewhere(double):
    lasso = small_lasso()
    regularizer = sgl.Regularizer(sgl.L1(lasso.lam))
    tx = sgl.proximal(optax.scale_by_lion(), regularizer, 0.05, metric=None)
    w, state = descend(tx, lasso.loss, 0.1 * jax.random.normal(jax.random.key(1), (100,)), 1500)
    assert 20 < np.sum(sgl.sparse_params(state, w) == 0) < 80
    assert lasso.objective(w) > 1.6
