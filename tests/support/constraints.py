"""Constraints to test, and the projection onto few entries by trying all of them."""

import itertools

import numpy as np

import sgl_jax as sgl


EXAMPLES = {
    "box": sgl.Box(-0.5, 1.0),
    "levels": sgl.Levels(2, zero=True),
    "n_of_m": sgl.NofM(1, 2),
    "nonnegative": sgl.NonNegative(),
    "top_k": sgl.TopK(0.5),
}


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def nearest(w, k, d):
    """The best of all supports of k entries, the first of equal ones."""
    supports = list(itertools.combinations(range(w.size), min(k, w.size)))
    kept = [np.isin(np.arange(w.size), support) for support in supports]
    costs = [np.sum(d * np.where(mask, 0, w) ** 2) for mask in kept]
    return np.where(kept[int(np.argmin(costs))], w, 0)
