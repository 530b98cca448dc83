"""Every algorithm of the catalogue by one contract; the proximal ones by what they converge to."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.problems import assert_same, draw, gradients, run, stepper, zeros
from support.setups import SETUPS

import sgl_jax as sgl


pytestmark = pytest.mark.usefixtures("standard_promotion")


AVERAGED = ("fista", "schedule_free")
"""Whose sparse parameters are another point than the parameters, biases too."""


def built(name, rate=0.05):
    """An algorithm of the catalogue, ready for ten steps."""
    setup = SETUPS[name]
    return sgl.ALGORITHMS[name](rate, setup.regularizer, **setup.options)


@functools.cache
def trained(name):
    """Parameters, state before and after, and compilations, of ten steps."""
    tx = built(name)
    step, counter = stepper(tx)
    params = draw(0, 0.03)
    state = before = tx.init(params)
    for gradient in gradients(10):
        params, state = step(params, state, gradient)
    return params, before, state, counter.traces


@pytest.mark.parametrize("name", sgl.ALGORITHMS)
def test_algorithm_shows_its_sparse_parameters(name):
    params, _, state, _ = trained(name)
    sparse = sgl.sparse_params(state, params)
    assert jax.tree.structure(sparse) == jax.tree.structure(params)
    kernels = [sparse[layer]["kernel"] for layer in ("conv", "fc")]
    assert (zeros(kernels) > 0) == (name != "subgradient")
    assert np.isfinite(sgl.penalty_value(state, params))
    for layer in ("conv", "fc"):
        same = np.array_equal(sparse[layer]["bias"], params[layer]["bias"])
        assert same == (name not in AVERAGED)


@pytest.mark.parametrize("name", sgl.ALGORITHMS)
def test_algorithm_keeps_the_form_of_its_state(name):
    _, before, after, traces = trained(name)
    form = [
        jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype, leaf.weak_type), state)
        for state in (before, after)
    ]
    assert form[0] == form[1]
    assert traces == 1


@pytest.mark.parametrize("name", sgl.ALGORITHMS)
def test_algorithm_keeps_half_precision(name):
    tx = built(name)
    params = draw(0, 0.03, jnp.bfloat16)
    before = tx.init(params)
    moved, after = run(tx, params, gradients(5, dtype=jnp.bfloat16))
    sparse = sgl.sparse_params(after, moved)
    assert {leaf.dtype for leaf in jax.tree.leaves((moved, sparse))} == {jnp.dtype(jnp.bfloat16)}
    assert (zeros(sparse) > 0) == (name != "subgradient")
    jax.tree.map(
        lambda a, b: np.testing.assert_equal((a.shape, a.dtype), (b.shape, b.dtype)), before, after
    )


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("name", sgl.ALGORITHMS)
def test_algorithm_takes_a_schedule_for_its_rate(name):
    falling = built(name, lambda count: jnp.where(count < 5, 0.05, 0.01))
    paths = []
    for tx in (falling, built(name)):
        step, _ = stepper(tx)
        params, state = draw(0, 0.03), tx.init(draw(0, 0.03))
        path = []
        for gradient in gradients(6):
            params, state = step(params, state, gradient)
            path.append(params)
        paths.append(path)
    found, expected = paths
    assert_same(found[4], expected[4])
    biases = (path[5]["conv"]["bias"] for path in paths)
    assert not np.allclose(*biases, rtol=1e-3)


def test_catalogue_is_sorted():
    assert list(sgl.ALGORITHMS) == sorted(sgl.ALGORITHMS)
