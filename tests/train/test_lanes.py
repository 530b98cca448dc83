"""Lanes of a grid: their states, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.lanes import KEYS, LASSO

import sgl_jax as sgl
from sgl_jax.train import init_state
from sgl_jax.train.many import grid, init_many


pytestmark = pytest.mark.usefixtures("double_lanes")


def test_grid_lists_every_combination():
    found = grid(seed=[0, 1], lam=[0.1, 0.2, 0.3])
    np.testing.assert_array_equal(found["seed"], [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(found["lam"], [0.1, 0.2, 0.3] * 2)


def test_numbers_in_the_rest_are_the_same_in_all_lanes():
    rest = {"rate": 0.5, "calls": np.zeros(3, np.int32)}
    states = init_many(optax.sgd(0.1), jnp.zeros((3, 2)), rest)
    np.testing.assert_array_equal(states.rest["rate"], [0.5] * 3)
    assert isinstance(states.rest["calls"], jax.Array)


SCHEDULE = optax.linear_schedule(1e-4, 1e-3, 10)


@pytest.mark.parametrize(
    ("tx", "hyperparams", "words"),
    [
        (sgl.prox_sgd(0.1, LASSO), {"rho": [0.1] * 3}, "'rho'.*group_lam, lam, step_size"),
        (sgl.prox_sgd(0.1, LASSO), {"lam": [0.1] * 2}, r"shapes \{'lam': \(2,\)\}"),
        (sgl.prox_sgd(0.1, LASSO), {"lam": 0.1}, r"shapes \{'lam': \(\)\}"),
        (sgl.prox_sgd(0.1, LASSO), {"lam": np.ones((3, 2))}, r"shape \(3,\), got \(3, 2\)"),
        (sgl.prox_sgd(SCHEDULE, LASSO), {"step_size": [1e-4] * 3}, "every update overwrites"),
        (sgl.prox_sgd(jnp.array(0.1), LASSO), {"step_size": [0.2] * 3}, "a Python number in"),
        (sgl.prox_sgd(0.1, LASSO), {"count": [0] * 3}, "every update overwrites"),
        (sgl.prox_sgd(0.1, LASSO), {"strengths": [0] * 3}, "its name in the optimizer's state"),
    ],
)
def test_hyperparameter_that_would_not_count_is_refused(tx, hyperparams, words):
    params = {"kernel": jnp.ones((3, 4, 2))}
    with pytest.raises(ValueError, match=words):
        init_many(tx, params, hyperparams=hyperparams)


def test_leaves_that_differ_in_lanes_are_refused():
    with pytest.raises(ValueError, match=r"got leaves with \[2, 3\]"):
        init_many(optax.sgd(0.1), {"a": jnp.ones((3, 2)), "b": jnp.ones(2)})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"keys": KEYS[:3]}, "a key per lane, 20 of them, got 3"),
        ({"epochs": 0}, "at least 1, got epochs=0"),
        ({"chunk_size": 0}, "chunk_size=0"),
    ],
)
def test_arguments_out_of_range_are_refused(options, words, tiny, adam):
    with pytest.raises(ValueError, match=words):
        tiny.train(adam, tiny.states(adam), **options)


def test_state_of_a_single_run_is_refused(tiny, adam):
    with pytest.raises(ValueError, match="make them with init_many"):
        tiny.train(adam, init_state(adam, *tiny.variables[0]))
