"""Toy problems that several test modules share: a tree of parameters, gradients, two lassos."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax


SHAPES = {"conv": {"kernel": (3, 3, 2, 4), "bias": (4,)}, "fc": {"kernel": (8, 3), "bias": (3,)}}
"""The leaves of a small network."""

RATE = 0.1


def draw(seed, scale=1.0, dtype=float, shapes=SHAPES):
    """A tree of normal numbers, of the default precision."""
    generator = np.random.default_rng(seed)
    return jax.tree.map(
        lambda shape: jnp.asarray(scale * generator.standard_normal(shape), dtype),
        shapes,
        is_leaf=lambda node: isinstance(node, tuple),
    )


def gradients(count, scale=0.1, dtype=float):
    """As many trees of gradients."""
    return [draw(100 + step, scale, dtype) for step in range(count)]


def stepper(tx):
    """The compiled update and its application, with ``step.traces`` to count compilations."""

    def step(params, state, gradient):
        step.traces += 1
        updates, state = tx.update(gradient, state, params)
        return optax.apply_updates(params, updates), state

    step.traces = 0
    return jax.jit(step), step


def run(tx, params, feed):
    """The parameters and the state after one update per gradient of ``feed``."""
    step, _ = stepper(tx)
    state = tx.init(params)
    for gradient in feed:
        params, state = step(params, state, gradient)
    return params, state


def descend(tx, loss, params, steps):
    """The parameters and the state after some updates with the gradient of a loss."""

    def step(carry, _):
        params, state = carry
        fast = params.fast if isinstance(params, optax.LookaheadParams) else params
        updates, state = tx.update(jax.grad(loss)(fast), state, params)
        return (optax.apply_updates(params, updates), state), None

    train = jax.jit(lambda carry: jax.lax.scan(step, carry, None, steps)[0])
    return train((params, tx.init(params)))


def assert_same(found, expected, rtol=1e-6):
    """The same zeros exactly, and the same numbers to rounding."""

    def compare(a, b):
        a, b = np.asarray(a), np.asarray(b)
        np.testing.assert_array_equal(a == 0, b == 0)
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.max(np.abs(b), initial=0.0))

    jax.tree.map(compare, found, expected)


def zeros(tree):
    """How many entries are exactly zero."""
    return sum(int(jnp.sum(leaf == 0)) for leaf in jax.tree.leaves(tree))


class Lasso(NamedTuple):
    """Least squares of ``a @ w`` to ``b``, by ``(a w - b)^2 / 2n``, with ``lam |w|_1``."""

    a: np.ndarray
    b: np.ndarray
    lam: float

    def loss(self, w):
        """The smooth part."""
        a, b = (jnp.asarray(each, w.dtype) for each in (self.a, self.b))
        return jnp.mean((a @ w - b) ** 2) / 2

    def objective(self, w):
        """The objective, in NumPy and float64."""
        w = np.asarray(w, np.float64)
        return np.mean((self.a @ w - self.b) ** 2) / 2 + self.lam * np.abs(w).sum()


@functools.cache
def small_lasso():
    """60 x 100; its minimiser has 95 zeros and the objective 1.46985."""
    a = np.asarray(jax.random.normal(jax.random.key(0), (60, 100), np.float32))
    return Lasso(a, a @ np.where(np.arange(100) < 5, 3.0, 0.0).astype(np.float32), 0.1)


def assert_same_support(tree, other, within):
    """The same zeros, but for entries so close to a threshold that rounding decides."""

    def compare(a, b):
        a, b = np.asarray(a), np.asarray(b)
        differ = (a == 0) != (b == 0)
        assert np.all(np.maximum(np.abs(a), np.abs(b))[differ] <= within)
        assert np.mean(differ) < 0.01

    jax.tree.map(compare, tree, other)
