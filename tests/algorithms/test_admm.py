"""ADMM, step by step against its equations in NumPy, and with a constraint."""

import numpy as np
import optax
import pytest
from support.iterates import L1, LAM, RATE, STEPS, assert_near, slope, soft, start, trained

import sgl_jax as sgl


pytestmark = pytest.mark.usefixtures("double", "standard_promotion")


def test_admm_follows_its_equations():
    w, z, u = start(), None, np.zeros(100)
    for count in range(STEPS):
        rho = 1.0 if count < 10 else 2.0
        if count == 10:
            u = u / 2
        if count == 0:
            z = soft(w, LAM / rho)
        elif count % 3 == 0:
            old, z = z, soft(w + u, LAM / rho)
            u = u + w - z
            residuals = np.linalg.norm(w - z), rho * np.linalg.norm(z - old)
        w = w - RATE * (slope(w) + rho * (w - z + u))
    schedule = optax.piecewise_constant_schedule(1.0, {10: 2.0})
    found, sparse, state = trained(sgl.admm(RATE, L1, rho=schedule, period=3, base=optax.sgd))
    np.testing.assert_allclose(found, w, rtol=1e-9, atol=1e-12)
    assert 0 < np.sum(z == 0) < 100
    assert_near(sparse, z)
    found = [float(optax.tree.get(state, name)) for name in ("primal", "dual")]
    np.testing.assert_allclose(found, residuals, rtol=1e-9)


def test_admm_takes_a_constraint():
    top = sgl.Regularizer(sgl.TopK(5))
    _, sparse, state = trained(sgl.admm(RATE, top, rho=1.0, period=5, base=optax.sgd), 1500)
    np.testing.assert_array_equal(np.flatnonzero(sparse), range(5))
    np.testing.assert_allclose(sparse[:5], 3.0, rtol=1e-3)
    assert float(optax.tree.get(state, "primal")) < 1e-2
