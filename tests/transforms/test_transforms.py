"""The state of our links: strengths in it, schedules, loops, grids, dtypes, donation."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.problems import assert_same, draw, gradients, stepper
from support.setups import METHODS
from support.tiers import paired

import sgl_jax as sgl


LINKS = (
    "splitting_sgd",
    "apply_prox_sgd",
    "prox_adam",
    "prox_sgd",
    "admm",
    "fista",
    "rda",
    "relaxed_splitting",
    "schedule_free",
)
"""A method for each link that has strengths of its own."""

pytestmark = pytest.mark.usefixtures("double")


@pytest.fixture(scope="module", params=LINKS)
def method(request):
    return request.param


@pytest.fixture(autouse=True)
def _standard_promotion(request):
    """Optax's Adam mixes dtypes; all else here does not."""
    adam = "prox_adam" in request.node.name
    with jax.numpy_dtype_promotion("standard" if adam else "strict"):
        yield


@functools.cache
def compiled(method):
    """One compiled step of a method, shared by the tests."""
    tx = METHODS[method]()
    return tx, *stepper(tx)


def loop(method, state, params, feed):
    _, step, _ = compiled(method)
    for gradient in feed:
        params, state = step(params, state, gradient)
    return params, state


@functools.cache
def ten_steps(method):
    params = draw(0, 0.3)
    return loop(method, compiled(method)[0].init(params), params, gradients(10))


def scanned(tx, params, state, feed):
    """Like :func:`loop`, traced into one loop."""

    def step(carry, gradient):
        params, state = carry
        updates, state = tx.update(gradient, state, params)
        return (optax.apply_updates(params, updates), state), None

    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *feed)
    return jax.lax.scan(step, (params, state), stacked)[0]


def form(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype, leaf.weak_type), tree)


def written(method, state, lam):
    """The state with another strength in it."""
    name = METHODS[method].name
    leaf = optax.tree.get(state, name)
    return optax.tree.set(state, **{name: jnp.asarray(lam, leaf.dtype)})


def test_step_is_traced_once_and_keeps_the_form_of_its_state(method):
    tx, _, counter = compiled(method)
    before = tx.init(draw(0, 0.3))
    params, state = ten_steps(method)
    assert counter.traces == 1
    assert jax.tree.structure(state) == jax.tree.structure(before)
    assert form(state) == form(before)
    assert form(params) == form(draw(0))


def test_lam_written_into_the_state_takes_effect_without_compiling(method):
    _, step, counter = compiled(method)
    params, state = ten_steps(method)
    lam = 2 * METHODS[method].lam
    found, after = step(params, written(method, state, lam), gradients(1)[0])
    fresh, _ = stepper(METHODS[method](lam=lam))
    expected, _ = fresh(params, written(method, state, lam), gradients(1)[0])
    unchanged, _ = step(params, state, gradients(1)[0])
    assert counter.traces == 1
    assert optax.tree.get(after, METHODS[method].name) == lam
    assert_same(found, expected)
    assert not np.array_equal(found["conv"]["kernel"], unchanged["conv"]["kernel"])


@pytest.mark.parametrize(("method", "built"), paired(LINKS, [False, True]))
def test_vmapped_grid_is_its_single_runs(method, built):
    lams = METHODS[method].lam * jnp.array([0.5, 1.0, 2.0])
    params, feed = draw(0, 0.3), gradients(10)
    tx, _, _ = compiled(method)

    def train(lam):
        each = METHODS[method](lam=lam) if built else tx
        start = each.init(params) if built else written(method, each.init(params), lam)
        last, state = scanned(each, params, start, feed)
        return sgl.sparse_params(state, last)

    grid = jax.jit(jax.vmap(train))(lams)
    for lane, lam in enumerate(lams):
        last, state = loop(method, written(method, tx.init(params), lam), params, feed)
        expected = sgl.sparse_params(state, last)
        assert_same(jax.tree.map(lambda leaf, lane=lane: leaf[lane], grid), expected)
    counts = jnp.sum(grid["conv"]["kernel"].reshape(3, -1) == 0, axis=1)
    assert counts[0] < counts[1] < counts[2]


def test_scan_is_a_loop(method):
    tx, _, _ = compiled(method)
    params = draw(0, 0.3)
    scan = jax.jit(lambda params, state: scanned(tx, params, state, gradients(10)))
    assert_same(scan(params, tx.init(params)), ten_steps(method))


def test_donated_buffers_are_reused(method):
    tx, _, _ = compiled(method)
    step = jax.jit(stepper(tx)[1], donate_argnums=(0, 1))
    start = params = draw(0, 0.3)
    state = tx.init(params)
    for gradient in gradients(10):
        params, state = step(params, state, gradient)
    assert start["conv"]["kernel"].is_deleted()
    assert_same((params, state), ten_steps(method))


def test_bfloat16_keeps_its_dtype_and_its_zeros(method):
    dtype = jnp.bfloat16
    tx = METHODS[method]()
    step, counter = stepper(tx)
    params = draw(0, 0.3, dtype)
    state = tx.init(params)
    for gradient in gradients(10, dtype=dtype):
        params, state = step(params, state, gradient)
    sparse = sgl.sparse_params(state, params)
    assert counter.traces == 1
    assert {leaf.dtype for leaf in jax.tree.leaves((params, sparse))} == {jnp.dtype(dtype)}
    expected = sgl.sparse_params(*reversed(ten_steps(method)))
    for layer in ("conv", "fc"):
        found, kernel = sparse[layer]["kernel"], expected[layer]["kernel"]
        assert 0 < jnp.sum(found == 0) < found.size
        np.testing.assert_allclose(found.astype(np.float32), kernel, atol=0.06)


def schedule(start, factor):
    return lambda count: start * factor ** jnp.asarray(count, float)


def test_schedules_are_numbers_that_change(method):
    build = METHODS[method]
    lam, number = schedule(build.lam, 0.9), schedule(0.05, 1.1)
    step, _ = stepper(build(number, lam=lam))
    _, step_by_hand, _ = compiled(method)
    found = expected = draw(0, 0.3)
    state, state_by_hand = build(number, lam=lam).init(found), build().init(expected)
    for count, gradient in enumerate(gradients(10)):
        found, state = step(found, state, gradient)
        now = {build.name: lam(count), build.number_name: number(count)}
        state_by_hand = optax.tree.set(state_by_hand, **now)
        expected, state_by_hand = step_by_hand(expected, state_by_hand, gradient)
    assert_same(found, expected, rtol=1e-5)
    assert_same(sgl.sparse_params(state, found), sgl.sparse_params(state_by_hand, expected), 1e-5)
    assert optax.tree.get(state, build.number_name) == pytest.approx(0.05 * 1.1**9, rel=1e-5)
