"""A lasso, and every algorithm set up to solve it.

Its minimiser has 95 of 100 zeros and the objective 1.46985, which 1500 steps reach.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
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


CONVERGENT = {
    "admm": lambda: sgl.admm(RATE, L1, rho=1.0, base=optax.sgd),
    "fista": lambda: sgl.fista(RATE, L1),
    "hspg": lambda: sgl.hspg(RATE, L1, begin=500),
    "prox_adam": lambda: sgl.prox_adam(RATE, L1),
    "prox_sgd": lambda: sgl.prox_sgd(RATE, L1),
    "rda": lambda: sgl.rda(RATE, L1, power=0.0),
    "schedule_free": lambda: sgl.schedule_free(0.2, L1),
}
"""Every algorithm whose fixed point is the minimiser."""

ELSEWHERE = {
    "magnitude": (
        lambda: sgl.magnitude(
            RATE, sgl.Regularizer(sgl.TopK(5)), steps=1000, period=10, base=optax.sgd
        ),
        95,
        1.5000,
    ),
    "relaxed_splitting": (
        lambda: sgl.relaxed_splitting(RATE, L1, beta=10.0, period=100),
        95,
        1.47296,
    ),
    "splitting": (
        lambda: sgl.splitting(
            RATE,
            sgl.SparseGroup(sgl.L1(0.1), sgl.L1(0.0), sgl.by_layer()),
            beta=10.0,
            base=optax.sgd,
        ),
        95,
        1.47151,
    ),
    "subgradient": (lambda: sgl.subgradient(RATE, L1, base=optax.sgd), 0, 1.49023),
}
"""Those with another objective: the least squares of five weights, the split one, one without a
prox; their zeros, and the objective of the lasso where they stop."""
