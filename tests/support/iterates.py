"""The first steps of an algorithm on the lasso, for its equations in NumPy to be held against."""

import jax.numpy as jnp
import numpy as np

import sgl_jax as sgl
from support.problems import descend, small_lasso


RATE, LAM, STEPS = 0.05, 0.1, 40
L1 = sgl.Regularizer(sgl.L1(LAM))


def soft(w, threshold):
    """Soft thresholding."""
    return np.sign(w) * np.maximum(np.abs(w) - threshold, 0)


def slope(w):
    """The gradient of the loss of the lasso, in float64."""
    lasso = small_lasso()
    return lasso.a.T @ (lasso.a @ w - lasso.b) / len(lasso.b)


def start():
    """Where every algorithm starts."""
    return np.random.default_rng(3).standard_normal(100)


def trained(tx, steps=STEPS):
    """Parameters, sparse parameters and state after some steps."""
    w, state = descend(tx, small_lasso().loss, jnp.asarray(start()), steps)
    return np.asarray(w), np.asarray(sgl.sparse_params(state, w)), state


def assert_near(found, expected):
    """The same zeros exactly, and the same numbers to rounding."""

    np.testing.assert_array_equal(found == 0, expected == 0)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
