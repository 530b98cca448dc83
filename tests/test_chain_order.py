"""Where a proximal step stands in a chain: what is right, what is wrong, what is caught.

A lasso, 1500 steps; its minimiser has 95 of 100 zeros and the objective 1.46985.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from problems import descend, small_lasso

import sgl_jax as sgl


RATE, STEPS = 0.05, 1500
L1 = sgl.Regularizer(sgl.L1(0.1))


def prox(step_size=RATE):
    return sgl.apply_prox(L1, step_size)


@functools.cache
def start():
    return 0.1 * jax.random.normal(jax.random.key(1), (100,), np.float32)


def solve(tx, params, steps=STEPS):
    """Parameters and state after some updates with the gradient of the loss."""
    return descend(tx, small_lasso().loss, params, steps)


def figures(w):
    """The two numbers to compare: exact zeros, and the objective."""
    return int(np.sum(np.asarray(w) == 0)), small_lasso().objective(w)


def assert_solved(w):
    zeros, objective = figures(w)
    assert zeros == 95
    assert objective == pytest.approx(1.46985, abs=5e-6)


@pytest.fixture
def standard_promotion():
    """Optax's Adam, MultiSteps and lookahead mix dtypes."""
    with jax.numpy_dtype_promotion("standard"):
        yield


RIGHT = {
    "last": lambda: optax.chain(optax.sgd(RATE), prox()),
    "owned": lambda: sgl.prox_sgd(RATE, L1),
    "in_apply_if_finite": lambda: optax.apply_if_finite(optax.chain(optax.sgd(RATE), prox()), 5),
    "in_masked": lambda: optax.masked(optax.chain(optax.sgd(RATE), prox()), True),
}


@pytest.mark.parametrize("order", RIGHT)
def test_prox_last_solves_the_lasso(order):
    w, state = solve(RIGHT[order](), start())
    assert_solved(sgl.sparse_params(state, w))
    np.testing.assert_array_equal(sgl.sparse_params(state, w), w)


def test_prox_inside_multi_steps_solves_the_lasso(standard_promotion):
    tx = optax.MultiSteps(optax.chain(optax.sgd(RATE), prox()), 2)
    w, state = solve(tx, start(), 2 * STEPS)
    assert_solved(sgl.sparse_params(state, w))


def test_prox_inside_lookahead_solves_the_lasso(standard_promotion):
    tx = optax.lookahead(optax.chain(optax.sgd(RATE), prox()), sync_period=5, slow_step_size=0.5)
    params, _ = solve(tx, optax.LookaheadParams.init_synced(start()))
    assert_solved(params.fast)


def test_prox_behind_multi_steps_runs_at_every_mini_step(standard_promotion):
    tx = optax.chain(optax.MultiSteps(optax.sgd(RATE), 4).gradient_transformation(), prox())
    w, _ = solve(tx, start())
    zeros, objective = figures(w)
    assert zeros == 58
    assert objective == pytest.approx(1.720, abs=5e-4)


UNDONE = {
    "before_the_rate": (lambda: optax.chain(prox(), optax.scale_by_learning_rate(RATE)), 0, 4.747),
    "before_a_clip": (
        lambda: optax.chain(optax.sgd(RATE), prox(), optax.clip_by_global_norm(1e-3)),
        0,
        10.90,
    ),
    "before_decay": (
        lambda: optax.chain(optax.sgd(RATE), prox(), optax.add_decayed_weights(-1e-3)),
        91,
        1.482,
    ),
}
"""What undoes the zeros, how many are left, and the objective reached."""


@pytest.mark.parametrize("order", UNDONE)
def test_prox_undone_by_what_follows_is_found_out(order):
    build, expected_zeros, expected_objective = UNDONE[order]
    w, state = solve(build(), start())
    zeros, objective = figures(w)
    assert zeros == expected_zeros
    assert objective == pytest.approx(expected_objective, rel=5e-4)
    for look in (lambda: sgl.check(state), lambda: sgl.sparse_params(state, w)):
        with pytest.raises(ValueError, match="must be the last link"):
            look()


def test_prox_scaled_afterwards_is_found_out():
    tx = optax.chain(optax.sgd(RATE), prox(), optax.scale(0.5))
    w, state = solve(tx, start(), 100)
    assert figures(w)[0] == 0
    with pytest.raises(ValueError, match="must be the last link"):
        sgl.sparse_params(state, w)


def test_check_is_silent_under_jit_and_where_nothing_followed():
    tx = optax.chain(optax.sgd(RATE), prox(), optax.scale(0.5))
    w, state = solve(tx, start(), 100)
    jitted = jax.jit(lambda state, w: sgl.sparse_params(state, w))
    np.testing.assert_array_equal(jitted(state, w), w)
    sgl.check(tx.init(start()))
    sgl.check(sgl.sgl_transform(sgl.L1(0.1), beta=1.0).init({"kernel": jnp.ones((2, 2))}))


CONVERGENT = {
    "admm": lambda: sgl.admm(RATE, L1, rho=1.0, base=optax.sgd),
    "fista": lambda: sgl.fista(RATE, L1),
    "hspg": lambda: sgl.hspg(RATE, L1, begin=500),
    "prox_adam": lambda: sgl.prox_adam(RATE, L1),
    "prox_sgd": lambda: sgl.prox_sgd(RATE, L1),
    "rda": lambda: sgl.rda(RATE, L1, power=0.0),
    "schedule_free": lambda: sgl.schedule_free(0.2, L1),
}
"""Every algorithm whose fixed point is the minimiser."""

ELSEWHERE = {
    "magnitude": (
        lambda: sgl.magnitude(
            RATE, sgl.Regularizer(sgl.TopK(5)), steps=1000, period=10, base=optax.sgd
        ),
        95,
        1.5000,
    ),
    "relaxed_splitting": (
        lambda: sgl.relaxed_splitting(RATE, L1, beta=10.0, period=100),
        95,
        1.47296,
    ),
    "splitting": (
        lambda: sgl.splitting(
            RATE,
            sgl.SparseGroup(sgl.L1(0.1), sgl.L1(0.0), sgl.by_layer()),
            beta=10.0,
            base=optax.sgd,
        ),
        95,
        1.47151,
    ),
    "subgradient": (lambda: sgl.subgradient(RATE, L1, base=optax.sgd), 0, 1.49298),
}
"""Those with another objective: the least squares of five weights, the split one, one without a
prox; their zeros, and the objective of the lasso where they stop."""


def test_every_algorithm_stands_in_a_table():
    assert sorted(CONVERGENT | ELSEWHERE) == sorted(sgl.ALGORITHMS)


@pytest.mark.parametrize("name", CONVERGENT)
def test_algorithm_solves_the_lasso(name, standard_promotion):
    w, state = solve(CONVERGENT[name](), start())
    assert_solved(sgl.sparse_params(state, w))


@pytest.mark.parametrize("name", ELSEWHERE)
def test_algorithm_stops_where_its_own_objective_is_least(name):
    build, expected_zeros, expected_objective = ELSEWHERE[name]
    w, state = solve(build(), start())
    zeros, objective = figures(sgl.sparse_params(state, w))
    assert zeros == expected_zeros
    assert objective == pytest.approx(expected_objective, abs=1e-4)


AFTERWARDS = {
    "scale": lambda: optax.scale(0.5),
    "clip": lambda: optax.clip_by_global_norm(1e-3),
    "decay": lambda: optax.add_decayed_weights(-1e-3),
}
IN_THE_WEIGHTS = ("hspg", "magnitude", "prox_adam", "prox_sgd", "rda")


@pytest.mark.parametrize("after", AFTERWARDS)
@pytest.mark.parametrize("name", IN_THE_WEIGHTS)
def test_algorithm_undone_by_what_follows_is_found_out(name, after, standard_promotion):
    build = CONVERGENT[name] if name in CONVERGENT else ELSEWHERE[name][0]
    tx = optax.chain(build(), AFTERWARDS[after]())
    steps = 520 if name == "hspg" else 100
    w, state = solve(tx, start(), steps)
    with pytest.raises(ValueError, match="must be the last link"):
        sgl.sparse_params(state, w)


def test_average_of_the_weights_has_no_zeros():
    tx = sgl.prox_sgd(RATE, L1)

    def step(carry, _):
        w, state, average = carry
        updates, state = tx.update(jax.grad(small_lasso().loss)(w), state, w)
        w = optax.apply_updates(w, updates)
        return (w, state, 0.999 * average + 0.001 * w), None

    first = (start(), tx.init(start()), start())
    w, state, average = jax.jit(lambda carry: jax.lax.scan(step, carry, None, STEPS)[0])(first)
    assert_solved(sgl.sparse_params(state, w))
    assert figures(average)[0] == 0


def test_prox_inside_the_schedule_free_of_optax_has_no_zeros(standard_promotion):
    tx = optax.contrib.schedule_free(optax.chain(optax.sgd(RATE), prox()), RATE)
    w, state = solve(tx, start())
    assert figures(optax.contrib.schedule_free_eval_params(state, w))[0] == 0
    assert figures(state.z)[0] == 0


def test_prox_in_the_metric_of_adam_solves_the_lasso(standard_promotion):
    w, state = solve(sgl.prox_adam(RATE, L1), start())
    assert_solved(sgl.sparse_params(state, w))


def test_euclidean_prox_behind_adam_stops_elsewhere(standard_promotion):
    w, state = solve(optax.chain(optax.adam(RATE), prox()), start())
    zeros, objective = figures(sgl.sparse_params(state, w))
    assert zeros < 50
    assert objective > 3
