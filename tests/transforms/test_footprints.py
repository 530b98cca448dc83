"""Methods that must be last though their parameters have no zeros: what is noticed, what is not."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.problems import RATE, draw, gradients, run

import sgl_jax as sgl


BOTH = sgl.SparseGroup(sgl.L1(0.1), sgl.L1(0.02))
METHODS = {
    "fista": lambda: sgl.fista(RATE, BOTH),
    "schedule_free": lambda: sgl.schedule_free(RATE, BOTH),
}
HALF = {"bfloat16": jnp.bfloat16, "float16": jnp.float16}


@pytest.fixture(params=METHODS)
def tx(request):
    return METHODS[request.param]()


def more(tx, params, state, feed):
    """Parameters and state after some more updates, whose results are rounded one by one."""
    update = jax.jit(tx.update)
    for gradient in feed:
        updates, state = update(gradient, state, params)
        params = optax.apply_updates(params, updates)
    return params, state


def start(tx, dtype=np.float32, feed=()):
    """Parameters and state, after the updates of a feed."""
    params = draw(0, 0.3, dtype)
    return more(tx, params, tx.init(params), feed)


def assert_found_out(state):
    with pytest.raises(ValueError, match="keeps an iterate of its own must be the last link"):
        sgl.check(state)


@pytest.mark.parametrize("dtype", HALF)
def test_half_precision_is_no_mismatch(tx, dtype):
    feed = gradients(20, dtype=HALF[dtype])
    for trained in (run(tx, draw(0, 0.3, HALF[dtype]), feed), start(tx, HALF[dtype], feed)):
        assert optax.tree.get(trained[1], "mismatches") == 0


@pytest.mark.parametrize("dtype", HALF | {"float32": jnp.float32})
@pytest.mark.parametrize(("ulps", "expected"), [(1, 0), (16, 2)])
def test_parameters_that_are_rounded_otherwise_are_no_mismatch(tx, dtype, ulps, expected):
    params, state = start(tx, jnp.dtype(dtype))
    for gradient in gradients(2, dtype=jnp.dtype(dtype)):
        params, state = more(tx, params, state, [gradient])
        for _ in range(ulps):
            params = jax.tree.map(lambda w: jnp.nextafter(w, 2 * w), params)
    _, state = more(tx, params, state, gradients(1, dtype=jnp.dtype(dtype)))
    assert optax.tree.get(state, "mismatches") == expected


@pytest.mark.parametrize("dtype", HALF)
def test_step_scaled_in_half_precision_is_found_out(tx, dtype):
    undone = optax.chain(tx, optax.scale(-1.0))
    assert_found_out(start(undone, HALF[dtype], gradients(10, 0.5, HALF[dtype]))[1])


def test_parameters_replaced_once_are_no_mismatch(tx):
    params, state = start(tx, feed=gradients(5))
    sparse = sgl.sparse_params(state, params)
    params, state = more(tx, sparse, state, gradients(1))
    assert optax.tree.get(state, "mismatches") == 1
    sgl.check(state)
    _, state = more(tx, params, state, gradients(5))
    assert optax.tree.get(state, "mismatches") == 0


def test_parameters_replaced_again_and_again_are_found_out(tx):
    params, state = start(tx, feed=gradients(5))
    for _ in range(2):
        params, state = more(tx, sgl.sparse_params(state, params), state, gradients(1))
    assert_found_out(state)
    _, state = more(tx, params, state, gradients(5))
    assert_found_out(state)


def test_other_parameters_than_those_of_init_are_no_mismatch(tx):
    _, state = more(tx, draw(1), tx.init(draw(0)), gradients(3))
    assert optax.tree.get(state, "mismatches") == 0


def test_strength_set_between_updates_is_no_mismatch(tx):
    params, state = start(tx, feed=gradients(5))
    state = optax.tree.set(state, lam=jnp.asarray(0.5), step_size=jnp.asarray(0.3))
    _, state = more(tx, params, state, gradients(5))
    assert optax.tree.get(state, "mismatches") == 0


@pytest.mark.parametrize(
    ("sizes", "watched"),
    [
        ([1600, 50, 20, 30, 10, 5, 5], {1, 2, 3}),
        ([1600, 99, 80, 30, 2, 2, 2], {1, 4, 5}),
        ([40, 30, 35], {1}),
    ],
)
def test_a_few_of_the_largest_leaves_are_watched(sizes, watched):
    params = {str(k): jnp.ones((size, 1)) for k, size in enumerate(sizes)}
    regularizer = sgl.Regularizer(sgl.L1(0.1), sgl.by_entry())
    tx = sgl.prox_adam(RATE, regularizer)
    assert optax.tree.get(tx.init(params), "zeros").keys() == {str(k) for k in watched}
    whole = optax.chain(optax.scale(-RATE), sgl.apply_prox(regularizer, RATE))
    assert optax.tree.get(whole.init(params), "zeros").keys() == params.keys()


def test_one_lane_that_is_undone_is_found_out(tx):
    def trained(factor):
        return start(optax.chain(tx, optax.scale(factor)), feed=gradients(4))[1]

    states = jax.vmap(trained)(jnp.array([1.0, 0.5]))
    np.testing.assert_array_equal(optax.tree.get(states, "mismatches") > 1, [False, True])
    assert_found_out(states)
