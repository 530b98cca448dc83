"""Least squares whose best weights on levels are not the rounded ones, since its columns agree."""

import jax.numpy as jnp
import numpy as np

import sgl_jax as sgl
from support.problems import descend


SIZE = 60
LEVELS = sgl.Levels(2)
ZEROS = slice(50, None)
"""Weights that start at zero."""


def problem():
    """The matrix and the right-hand side, in float64."""
    generator = np.random.default_rng(0)
    common = generator.standard_normal((200, 4)) @ generator.standard_normal((4, SIZE))
    a = common + 0.5 * generator.standard_normal((200, SIZE))
    w = generator.choice([-1.0, 1.0], SIZE) * (0.5 + generator.random(SIZE))
    w[ZEROS] = 0
    return a / 10, a / 10 @ w


def loss(w):
    a, b = (jnp.asarray(each, w.dtype) for each in problem())
    return jnp.mean((a @ w - b) ** 2) / 2


def solution():
    """The best weights without levels, on their support."""
    a, b = problem()
    found = np.zeros(SIZE)
    found[: ZEROS.start] = np.linalg.lstsq(a[:, : ZEROS.start], b, rcond=None)[0]
    return jnp.asarray(found)


def train(tx, steps):
    """The weights with their levels, the weights, and the state after some steps."""
    w, state = descend(tx, loss, solution(), steps)
    return sgl.sparse_params(state, w), w, state


def rounded():
    """The solution at its nearest levels."""
    return sgl.prox.project_levels(solution(), LEVELS.count)
