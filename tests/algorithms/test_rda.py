"""Regularised dual averaging, step by step against its equations in NumPy."""

import numpy as np
import pytest
from support.iterates import L1, LAM, RATE, STEPS, assert_near, slope, soft, start, trained

import sgl_jax as sgl


pytestmark = pytest.mark.usefixtures("double")


@pytest.mark.parametrize("power", [0.0, 0.5])
def test_rda_follows_its_equations(power):
    w, total = start(), np.zeros(100)
    for count in range(1, STEPS + 1):
        total += slope(w)
        step = count * RATE / count**power
        w = soft(start() - RATE * total / count**power, step * LAM)
    found, sparse, _ = trained(sgl.rda(RATE, L1, power=power))
    assert 0 < np.sum(w == 0) < 100
    np.testing.assert_array_equal(found, sparse)
    assert_near(sparse, w)


def test_without_a_regularizer_the_weights_have_no_zeros():
    found, sparse, _ = trained(sgl.rda(RATE, None))
    expected, _, _ = trained(sgl.rda(RATE, sgl.Regularizer(sgl.L1(0.0))))
    np.testing.assert_array_equal(found, expected)
    assert not np.any(sparse == 0)
