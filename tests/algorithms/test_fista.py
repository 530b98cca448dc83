"""FISTA, step by step against its equations in NumPy."""

import numpy as np
import pytest
from support.iterates import L1, LAM, RATE, STEPS, assert_near, slope, soft, start, trained

import sgl_jax as sgl


pytestmark = pytest.mark.usefixtures("double")


@pytest.mark.parametrize("restart", [False, True])
def test_fista_follows_its_equations(restart):
    y, x, t, restarts = start(), start(), 1.0, 0
    for _ in range(3 * STEPS):
        old, x = x, soft(y - RATE * slope(y), RATE * LAM)
        following = (1 + np.sqrt(1 + 4 * t**2)) / 2
        if restart and (y - x) @ (x - old) > 0:
            y, t, restarts = x, 1.0, restarts + 1
        else:
            y, t = x + (t - 1) / following * (x - old), following
    assert (restarts > 0) == restart
    found, sparse, _ = trained(sgl.fista(RATE, L1, restart=restart), 3 * STEPS)
    np.testing.assert_allclose(found, y, rtol=1e-9, atol=1e-12)
    assert_near(sparse, x)


def test_without_a_regularizer_the_weights_have_no_zeros():
    found, sparse, _ = trained(sgl.fista(RATE, None))
    expected, _, _ = trained(sgl.fista(RATE, sgl.Regularizer(sgl.L1(0.0))))
    np.testing.assert_array_equal(found, expected)
    assert not np.any(sparse == 0)
