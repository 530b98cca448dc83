"""Relaxed splitting, step by step against its equations in NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest
from support.iterates import L1, LAM, RATE, STEPS, assert_near, slope, soft, start, trained

import sgl_jax as sgl


pytestmark = pytest.mark.usefixtures("double", "standard_promotion")


def test_relaxed_splitting_follows_its_equations():
    w = start()
    for count in range(1, STEPS + 1):
        w = w - RATE * (slope(w) + 2.0 * (w - soft(w, LAM / 2)))
        if count % 7 == 0:
            w = soft(w, LAM / 2)
    tx = sgl.relaxed_splitting(RATE, L1, beta=2.0, period=7)
    found, sparse, state = trained(tx)
    np.testing.assert_allclose(found, w, rtol=1e-9, atol=1e-12)
    assert_near(sparse, soft(w, LAM / 2))
    gap = np.linalg.norm(w - sparse) / np.linalg.norm(w)
    envelope = LAM * np.abs(sparse).sum() + np.sum((w - sparse) ** 2)
    np.testing.assert_allclose(sgl.splitting_gap(state, jnp.asarray(found)), gap)
    np.testing.assert_allclose(sgl.penalty_value(state, jnp.asarray(found)), envelope)


def test_relaxed_splitting_has_the_zeros_in_the_weights_at_its_period():
    found, sparse, _ = trained(sgl.relaxed_splitting(RATE, L1, beta=2.0, period=8))
    assert np.sum(found == 0) > 0
    assert np.sum(sparse == 0) >= np.sum(found == 0)
