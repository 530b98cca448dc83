"""Where a proximal step stands in a chain: what is right, what is wrong, what is caught."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.lasso import L1, RATE, STEPS, assert_solved, figures, prox, solve, start
from support.problems import small_lasso

import sgl_jax as sgl


pytestmark = pytest.mark.usefixtures("double")


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
    # A synchronisation halves what is not zero yet; the step behind it ends at the zeros.
    params, _ = solve(tx, optax.LookaheadParams.init_synced(start()), STEPS + 1)
    assert_solved(params.fast)


def test_prox_behind_multi_steps_runs_at_every_mini_step(standard_promotion):
    tx = optax.chain(optax.MultiSteps(optax.sgd(RATE), 4).gradient_transformation(), prox())
    w, _ = solve(tx, start())
    zeros, objective = figures(w)
    assert zeros == 58
    assert objective == pytest.approx(1.720, abs=5e-4)


def test_prox_does_not_wait_for_updates_that_are_not_zero():
    """Where the loss is flat, as a hinge loss beyond its margin, the penalty alone moves on."""

    def hinge(w):
        return jnp.maximum(0.0, 1.0 - w[0])

    tx = optax.chain(optax.sgd(0.5), sgl.apply_prox(sgl.Regularizer(sgl.L1(0.1)), 0.5))
    w = jnp.array([3.0, 2.0])
    state = tx.init(w)
    for _ in range(100):
        updates, state = tx.update(jax.grad(hinge)(w), state, w)
        w = optax.apply_updates(w, updates)
    assert w[0] == pytest.approx(1.0, abs=0.5)
    assert w[1] == 0.0


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


@pytest.mark.parametrize("factor", [0.5, 0.1])
def test_prox_scaled_afterwards_is_found_out(factor):
    tx = optax.chain(optax.sgd(RATE), prox(), optax.scale(factor))
    # Few steps: halved a thousand times a number underflows.
    w, state = solve(tx, start(), 100)
    assert figures(w)[0] == 0
    with pytest.raises(ValueError, match="must be the last link"):
        sgl.sparse_params(state, w)


def test_prox_before_a_plateau_that_has_not_come_solves_the_lasso(standard_promotion):
    plateau = optax.contrib.reduce_on_plateau(patience=STEPS)
    tx = optax.chain(optax.sgd(RATE), prox(), plateau)

    def step(carry, _):
        w, state = carry
        value, gradient = jax.value_and_grad(small_lasso().loss)(w)
        updates, state = tx.update(gradient, state, w, value=value)
        return (optax.apply_updates(w, updates), state), None

    first = (start(), tx.init(start()))
    w, state = jax.jit(lambda carry: jax.lax.scan(step, carry, None, STEPS)[0])(first)
    assert_solved(sgl.sparse_params(state, w))


def test_check_is_silent_under_jit_and_where_nothing_followed():
    tx = optax.chain(optax.sgd(RATE), prox(), optax.scale(0.5))
    w, state = solve(tx, start(), 100)
    jitted = jax.jit(lambda state, w: sgl.sparse_params(state, w))
    np.testing.assert_array_equal(jitted(state, w), w)
    sgl.check(tx.init(start()))
    sgl.check(sgl.sgl_transform(sgl.L1(0.1), beta=1.0).init({"kernel": jnp.ones((2, 2))}))


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
    found = optax.contrib.schedule_free_eval_params(state, w), state.z
    for each, expected in zip(found, (1.4705, 1.4813), strict=True):
        zeros, objective = figures(each)
        assert zeros == 0
        assert objective == pytest.approx(expected, abs=1e-4)
    with pytest.raises(ValueError, match="must be the last link"):
        sgl.sparse_params(state, w)


def test_prox_in_the_metric_of_adam_solves_the_lasso(standard_promotion):
    w, state = solve(sgl.prox_adam(RATE, L1), start())
    assert_solved(sgl.sparse_params(state, w))


def test_euclidean_prox_behind_adam_stops_elsewhere(standard_promotion):
    w, state = solve(optax.chain(optax.adam(RATE), prox()), start())
    zeros, objective = figures(sgl.sparse_params(state, w))
    assert zeros < 50
    assert objective > 3
