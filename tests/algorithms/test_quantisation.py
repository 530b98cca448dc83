"""Training on levels: exact codes, better than rounding, passes, zeros and moments."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support import correlated
from support.correlated import LEVELS, ZEROS, loss, rounded, solution, train
from support.refusals import complaint

import sgl_jax as sgl


pytestmark = pytest.mark.usefixtures("double", "standard_promotion")

REGULARIZER = sgl.Regularizer(LEVELS)
STEPS = 800
RATE = 0.02

METHODS = {
    "admm": lambda: optax.chain(
        sgl.admm(RATE, REGULARIZER, rho=1e-3, rounds=40, steps=STEPS, growth=1.2, refit=0),
        sgl.hold_zeros(sgl.by_entry()),
    ),
    "incremental": lambda: sgl.incremental(RATE, REGULARIZER, steps=STEPS),
    "straight_through": lambda: sgl.straight_through(
        optax.cosine_decay_schedule(RATE, STEPS), REGULARIZER
    ),
}


def assert_on_levels(w):
    """Few multiples of one number, to the last bit."""
    found = sgl.prox.project_levels(w, LEVELS.count)
    np.testing.assert_array_equal(found.values, w)


@pytest.mark.parametrize("name", METHODS)
def test_weights_end_on_levels_and_zeros_stay(name):
    found, _, state = train(METHODS[name](), STEPS)
    assert_on_levels(found)
    np.testing.assert_array_equal(np.asarray(found) == 0, np.arange(correlated.SIZE) >= ZEROS.start)
    changed = int(optax.tree.get(state, "changed"))
    assert changed > 0
    if name != "straight_through":  # whose interval is fitted anew
        codes = sgl.prox.project_levels(found, LEVELS.count, interval=rounded().interval).codes
        assert changed == np.sum(codes != rounded().codes)
        assert loss(found) < 0.9 * loss(rounded().values)


def test_relaxed_splitting_takes_levels():
    tx = sgl.relaxed_splitting(RATE, REGULARIZER, beta=0.1, period=20, base=optax.adam)
    found, w, _ = train(optax.chain(tx, sgl.hold_zeros(sgl.by_entry())), 40)
    assert_on_levels(found)
    np.testing.assert_allclose(found, w, rtol=1e-12)  # as of the last update, the end of a period
    np.testing.assert_array_equal(np.asarray(found) == 0, np.arange(correlated.SIZE) >= ZEROS.start)


def test_strong_coupling_is_but_rounding():
    tx = sgl.admm(RATE, REGULARIZER, rho=1e3, period=20, refit=0)
    found, _, state = train(optax.chain(tx, sgl.hold_zeros(sgl.by_entry())), 100)
    assert optax.tree.get(state, "changed") == 0
    np.testing.assert_array_equal(found, rounded().values)


def test_rounds_are_a_period_and_growth_a_schedule():
    top = sgl.Regularizer(sgl.TopK(5))
    schedule = optax.piecewise_constant_schedule(1e-2, {10: 2.0, 20: 2.0, 30: 2.0})
    found = sgl.admm(RATE, top, rho=1e-2, rounds=4, steps=43, growth=2.0)
    expected = sgl.admm(RATE, top, rho=schedule, period=10)
    for one, other in zip(train(found, 40)[:2], train(expected, 40)[:2], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_interval_is_fitted_anew_as_often_as_asked():
    intervals = {}
    for refit in (0, 1):
        tx = sgl.admm(RATE, REGULARIZER, rho=1e-3, period=10, refit=refit)
        _, _, state = train(tx, 200)
        (intervals[refit],) = optax.tree.get(state, "fit").intervals.each
    np.testing.assert_array_equal(intervals[0], rounded().interval)
    assert intervals[1] != intervals[0]


def test_a_weight_of_the_support_that_is_zero_goes_to_the_lowest_level():
    tx = sgl.admm(0.1, REGULARIZER, rho=1.0, base=optax.sgd)
    w = jnp.asarray([1.0, -2.0, 0.0])
    state = tx.init(w)
    _, state = tx.update(jnp.zeros(3), state, w)
    _, state = tx.update(jnp.zeros(3), state, jnp.asarray([0.0, -2.0, 0.0]))
    codes = np.sign(sgl.sparse_params(state, w))
    np.testing.assert_array_equal(codes, [1, -1, 0])


def test_passes_fix_their_shares_for_good():
    steps, shares = 40, (0.25, 0.5, 0.9)
    tx = sgl.incremental(RATE, REGULARIZER, shares=shares, steps=steps)
    w, support = solution(), np.arange(correlated.SIZE) < ZEROS.start
    state, interval = tx.init(w), rounded().interval
    step = jax.jit(lambda w, state: tx.update(jax.grad(loss)(w), state, w))
    for count in range(steps):
        updates, state = step(w, state)
        w = optax.apply_updates(w, updates)
        fixed = np.asarray(jax.tree.leaves(state.fixed)[0])
        share = (*shares, 1.0)[count // 10]
        assert fixed[support].sum() == np.ceil(share * ZEROS.start)
        assert fixed[~support].all()
        if count % 10:
            level = sgl.prox.project_levels(w, LEVELS.count, interval=interval).values
            np.testing.assert_array_equal(w[fixed], level[fixed])
            moments = optax.tree.get(state, "mu")
            assert not np.any(np.asarray(moments)[fixed])
    assert_on_levels(w)
    sgl.check(state)


def test_nearest_weights_are_fixed_first():
    w = jnp.asarray([1.0, 1.3, -1.05, 2.0, 0.7, 0.0])
    tx = sgl.incremental(0.1, sgl.Regularizer(sgl.Levels(2)), shares=(0.5,), steps=4)
    state = tx.init(w)
    _, state = tx.update(jnp.zeros(6), state, w)
    interval = sgl.prox.project_levels(w, 2).interval
    off = np.abs(sgl.prox.project_levels(w, 2, interval=interval).values - w)[:5]
    expected = np.sort(np.argsort(off)[:3])
    fixed = np.flatnonzero(jax.tree.leaves(state.fixed)[0])
    np.testing.assert_array_equal(fixed, [*expected, 5])


def test_held_zeros_stay_under_momentum_and_decay():
    w = {"kernel": jnp.asarray([[1.0, 0.0], [0.0, -1.0]]), "bias": jnp.zeros(2)}
    tx = optax.chain(optax.adamw(0.1, weight_decay=0.1), sgl.hold_zeros())
    state = tx.init(w)
    for _ in range(3):
        updates, state = tx.update(jax.tree.map(jnp.ones_like, w), state, w)
        w = optax.apply_updates(w, updates)
    np.testing.assert_array_equal(w["kernel"] == 0, [[False, True], [True, False]])
    assert np.all(w["bias"] != 0)


REFUSED = {
    "growth": (lambda: sgl.admm(0.1, REGULARIZER, growth=0.0), "admm needs growth > 0, got"),
    "rounds": (
        lambda: sgl.admm(0.1, REGULARIZER, rounds=-1),
        "admm needs rounds >= 0, got rounds=-1.",
    ),
    "shares": (
        lambda: sgl.incremental(0.1, REGULARIZER, shares=(0.5, 0.4)),
        "incremental needs ascending shares between 0 and 1",
    ),
    "passes": (lambda: sgl.incremental(0.1, REGULARIZER, steps=1), "and steps >= 2, got shares="),
    "refit": (lambda: sgl.straight_through(0.1, REGULARIZER, refit=-1), "refit >= 0, got refit=-1"),
    "penalty": (
        lambda: sgl.straight_through(0.1, sgl.Regularizer(sgl.L1(0.1))),
        "straight_through needs a Regularizer with Levels, which says what weights may be, got L1.",
    ),
    "penalties": (
        lambda: sgl.incremental(0.1, sgl.SparseGroup(LEVELS, sgl.L1(0.1))),
        "got Levels, L1.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_misuse_is_refused_in_one_sentence(case):
    act, sentence = REFUSED[case]
    assert sentence in complaint(act)
