"""True filters for the binarised network, and its iteration in NumPy."""

import math

import jax.numpy as jnp
import numpy as np

from sgl_jax.applications import binarised


W_STAR = np.zeros(30)
W_STAR[:6] = np.array([6, -5, 4, 3, -2, 1]) / math.sqrt(91)
"""A filter with six entries, of norm 1."""


def population(w_star=W_STAR, k=20, **options):
    """The population with a true filter from NumPy, in the default dtype."""
    return binarised.Population(jnp.asarray(w_star, float), k=k, **options)


def sparse_filter(generator, d, nonzeros):
    """A random filter of norm 1 with so many entries that are not zero."""
    w = np.zeros(d)
    w[generator.permutation(d)[:nonzeros]] = generator.normal(size=nonzeros)
    return w / np.linalg.norm(w)


def iterate(w, w_star, c, prox, beta, step_size, steps):
    """The iterates for ReLU and identity, normalised, by the equations in NumPy."""
    found = []
    w = w / np.linalg.norm(w)
    for _ in range(steps):
        u = prox(w)
        w = w - step_size * (c * (w - w_star) + beta * (w - u))
        w = w / np.linalg.norm(w)
        found.append(w)
    return np.array(found)


def angles(w, w_star):
    """The angle of each row to the true filter."""
    w = w / np.linalg.norm(w, axis=-1, keepdims=True)
    apart, together = (np.linalg.norm(w + s * w_star, axis=-1) for s in (-1.0, 1.0))
    return 2.0 * np.arctan2(apart, together)
