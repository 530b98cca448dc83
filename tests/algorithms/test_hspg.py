"""Half-space projection, step by step against its equations in NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest
from support.iterates import assert_near
from support.problems import descend

import sgl_jax as sgl


pytestmark = pytest.mark.usefixtures("double")


def test_hspg_follows_its_equations():
    w, lam = np.random.default_rng(5).standard_normal((20, 3)), 0.3
    goal = np.where(np.arange(20)[:, None] < 5, 2.0, 0.0) * np.ones((20, 3))
    first = w
    for count in range(60):
        norms = np.linalg.norm(w, axis=1, keepdims=True)
        trial = w - 0.1 * (w - goal + lam * np.sqrt(3) * w / np.where(norms > 0, norms, 1))
        back = (trial * w).sum(1, keepdims=True) < 0.2 * norms**2
        w = np.where((back | (norms == 0)) & (count >= 10), 0, trial)
    assert 0 < np.sum(np.all(w == 0, axis=1)) < 20
    regularizer = sgl.Regularizer(sgl.L1(lam), sgl.by_neuron())
    tx = sgl.hspg(0.1, regularizer, begin=10, epsilon=0.2)
    found, state = descend(
        tx, lambda p: jnp.sum((p["w"] - goal) ** 2) / 2, {"w": jnp.asarray(first)}, 60
    )
    assert_near(np.asarray(sgl.sparse_params(state, found)["w"]), w)
