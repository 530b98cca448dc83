"""Schedules of strengths and rates."""

import numpy as np
import pytest
from support.iterates import L1, LAM, RATE, trained

import sgl_jax as sgl


pytestmark = pytest.mark.usefixtures("double")


def test_warmup_rises_linearly_and_stays():
    found = [float(sgl.warmup(2.0, 4)(count)) for count in range(7)]
    np.testing.assert_allclose(found, [0, 0.5, 1, 1.5, 2, 2, 2])
    assert sgl.warmup(2.0, 0)(0) == 2.0


def test_ramp_is_the_cubic_between_its_ends():
    ramp = sgl.ramp(0.1, 0.9, begin=2, steps=4)
    expected = [0.1, 0.1, 0.1, 0.9 - 0.8 * 0.75**3, 0.8, 0.9 - 0.8 * 0.25**3, 0.9, 0.9]
    np.testing.assert_allclose([float(ramp(count)) for count in range(8)], expected, rtol=1e-6)


def test_warmup_of_a_strength_holds_the_zeros_back():
    tx = sgl.prox_sgd(RATE, sgl.Regularizer(sgl.L1(sgl.warmup(LAM, 10))))
    counts = [np.sum(trained(tx, steps)[1] == 0) for steps in (1, 40)]
    at_once = np.sum(trained(sgl.prox_sgd(RATE, L1), 1)[1] == 0)
    assert counts[0] == 0 < min(counts[1], at_once)
