"""Schedule-free steps against their equations in NumPy, and Optax's own without a penalty."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.iterates import L1, LAM, RATE, STEPS, slope, soft, start, trained
from support.problems import assert_same, draw, gradients, run

import sgl_jax as sgl


pytestmark = pytest.mark.usefixtures("double", "standard_promotion")


@pytest.mark.parametrize("adam", [False, True])
def test_schedule_free_follows_its_equations(adam):
    y = x = z = start()
    v, total = np.zeros(100), 0.0
    for count in range(1, STEPS + 1):
        d = np.ones(100)
        if adam:
            v = 0.9 * v + 0.1 * slope(y) ** 2
            d = np.sqrt(v / (1 - 0.9**count)) + 1e-8
        z = soft(z - RATE * slope(y) / d, RATE * LAM / d)
        total += RATE**2
        share = RATE**2 / total
        x = (1 - share) * x + share * z
        y = 0.9 * x + 0.1 * z
    direction = sgl.directions.adam(b1=0.0, b2=0.9) if adam else None
    found, sparse, state = trained(sgl.schedule_free(RATE, L1, direction=direction))
    np.testing.assert_allclose(found, y, rtol=1e-8, atol=1e-10)
    np.testing.assert_array_equal(sparse == 0, z == 0)
    np.testing.assert_allclose(sparse, z, rtol=1e-8, atol=1e-10)
    average = optax.contrib.schedule_free_eval_params(state, jnp.asarray(found))
    np.testing.assert_allclose(average, x, rtol=1e-7, atol=1e-9)


def test_schedule_free_without_a_regularizer_is_that_of_optax():
    expected = optax.contrib.schedule_free(optax.sgd(RATE), RATE, 0.9, 2.0)
    found, other = (
        run(tx, draw(0, 0.3), gradients(5))[0] for tx in (sgl.schedule_free(RATE), expected)
    )
    assert_same(found, other, rtol=1e-12)
