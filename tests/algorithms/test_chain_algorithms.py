"""Every algorithm on the lasso: alone, behind wrappers, before a link that undoes its step."""

import jax
import jax.numpy as jnp
import optax
import pytest
from support.lasso import STEPS, assert_solved, figures, solve, start
from support.setups import CONVERGENT, SETUPS
from support.tiers import paired

import sgl_jax as sgl


pytestmark = pytest.mark.usefixtures("double", "standard_promotion")


def assert_stopped(w, expected_zeros, expected_objective):
    zeros, objective = figures(w)
    assert zeros == expected_zeros
    assert objective == pytest.approx(expected_objective, abs=1e-4)


def test_every_algorithm_stands_in_the_table():
    assert sorted(SETUPS) == sorted(sgl.ALGORITHMS)


@pytest.mark.parametrize("name", CONVERGENT)
def test_algorithm_solves_the_lasso(name):
    w, state = solve(SETUPS[name].lasso(), start())
    assert_solved(sgl.sparse_params(state, w))


@pytest.mark.parametrize("name", sorted(SETUPS.keys() - CONVERGENT))
def test_algorithm_stops_where_its_own_objective_is_least(name):
    w, state = solve(SETUPS[name].lasso(), start())
    assert_stopped(sgl.sparse_params(state, w), *SETUPS[name].ends)


AFTERWARDS = {
    "scale": lambda: optax.scale(0.5),
    "clip": lambda: optax.clip_by_global_norm(1e-3),
    "decay": lambda: optax.add_decayed_weights(-1e-3),
}
IN_THE_WEIGHTS = ("cges", "hspg", "incremental", "magnitude", "prox_adam", "prox_sgd", "rda")
BESIDE_AN_ITERATE = ("fista", "schedule_free")


@pytest.mark.parametrize(("name", "after"), paired(IN_THE_WEIGHTS + BESIDE_AN_ITERATE, AFTERWARDS))
def test_algorithm_undone_by_what_follows_is_found_out(name, after):
    tx = optax.chain(SETUPS[name].lasso(), AFTERWARDS[after]())
    steps = 520 if name == "hspg" else 100
    w, state = solve(tx, start(), steps)
    for look in (lambda: sgl.check(state), lambda: sgl.sparse_params(state, w)):
        with pytest.raises(ValueError, match="must be the last link"):
            look()


@pytest.mark.parametrize("name", SETUPS)
def test_algorithm_stops_at_the_same_point_behind_wrappers(name):
    tx = optax.apply_if_finite(optax.MultiSteps(optax.masked(SETUPS[name].lasso(), True), 2), 5)
    w, state = solve(tx, start(), 2 * STEPS)
    sparse = sgl.sparse_params(state, w)
    if name in CONVERGENT:
        assert_solved(sparse)
    else:
        assert_stopped(sparse, *SETUPS[name].ends)


INSIDE_LOOKAHEAD = {
    "relaxed_splitting": (95, 1.47228),
    "splitting": (95, 1.47151),
    "straight_through": (65, 313.9902),
    "subgradient": (0, 1.49521),
}
"""Where those stop inside of lookahead that do not solve the lasso."""

RESET = ("hspg", "incremental", "magnitude")
"""Whose zeros are to last, but lookahead puts the parameters back where they were none."""


def inside_lookahead(name):
    tx = optax.lookahead(SETUPS[name].lasso(), sync_period=5, slow_step_size=0.5)
    # A synchronisation halves what is not zero yet; the step behind it ends at the zeros.
    params, state = solve(tx, optax.LookaheadParams.init_synced(start()), STEPS + 1)
    return sgl.sparse_params(state, params.fast)


@pytest.mark.parametrize("name", sorted(SETUPS.keys() - RESET))
def test_algorithm_works_inside_lookahead(name):
    sparse = inside_lookahead(name)
    if name in CONVERGENT:
        assert_solved(sparse)
    else:
        assert_stopped(sparse, *INSIDE_LOOKAHEAD[name])


@pytest.mark.parametrize("name", RESET)
def test_zeros_that_lookahead_resets_are_found_out(name):
    with pytest.raises(ValueError, match="must be the last link"):
        inside_lookahead(name)


@pytest.mark.parametrize("name", SETUPS)
def test_algorithm_ignores_extra_arguments(name):
    tx = optax.with_extra_args_support(SETUPS[name].lasso())
    state, gradient = tx.init(start()), jnp.ones(100)
    plain = tx.update(gradient, state, start())
    given = tx.update(gradient, state, start(), value=jnp.ones(()), unheard_of=3)
    jax.tree.map(lambda a, b: None if (a == b).all() else pytest.fail("differs"), plain, given)
