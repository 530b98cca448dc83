"""A lasso to solve by every algorithm.

Its minimiser has 95 of 100 zeros and the objective 1.46985, which 1500 steps reach.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sgl_jax as sgl
from support.problems import descend, small_lasso


RATE, STEPS = 0.05, 1500
L1 = sgl.Regularizer(sgl.L1(0.1))


def prox(step_size=RATE):
    return sgl.apply_prox(L1, step_size)


@functools.cache
def start():
    return jnp.asarray(0.1 * jax.random.normal(jax.random.key(1), (100,), np.float32), float)


def solve(tx, params, steps=STEPS):
    """Parameters and state after some updates with the gradient of the loss."""
    return descend(tx, small_lasso().loss, params, steps)


def figures(w):
    """The two numbers to compare: exact zeros, and the objective."""
    return int(np.sum(np.asarray(w) == 0)), small_lasso().objective(w)


def assert_solved(w):
    zeros, objective = figures(w)
    assert zeros == 95
    assert objective == pytest.approx(1.46985, abs=5e-6)
