"""Toy problems that several test modules share: a tree of parameters, gradients, two lassos."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import sgl_jax as sgl


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


class Method(NamedTuple):
    """A way to train with one link of ours.

    Attributes:
      build: ``build(number, lam, factory)``; the number is beta, a step size or a learning rate,
        ``factory`` wraps the function that makes the link.
      lam: a strength that leaves, after ten of :func:`gradients`, some zeros.
      name: of that strength in the state.
      number_name: of the number in the state.
    """

    build: Callable
    lam: float
    name: str
    number_name: str = "step_size"

    def __call__(self, number=0.05, lam=None, factory=lambda function: function):
        return self.build(number, self.lam if lam is None else lam, factory)


def splitting(base):
    """The paper's link before a base optimizer."""

    def build(beta, lam, factory):
        return optax.chain(factory(sgl.sgl_transform)(sgl.TransformedL1(lam), beta=beta), base)

    return Method(build, 0.005, "lam", "beta")


def prox_last(base):
    """A base optimizer before a proximal step."""

    def build(step_size, lam, factory):
        both = sgl.SparseGroup(sgl.L1(lam), sgl.L1(0.05))
        return optax.chain(base, factory(sgl.apply_prox)(both, step_size))

    return Method(build, 0.5, "entry_lam")


def prox_adam(rate, lam, factory):
    return factory(sgl.prox_adam)(rate, sgl.SparseGroup(sgl.L1(lam), sgl.L1(0.005)))


def prox_sgd(rate, lam, factory):
    return factory(sgl.prox_sgd)(rate, sgl.Regularizer(sgl.SCAD(lam)), momentum=0.9)


def sparse_group(algorithm, group_lam=0.005, **options):
    """An algorithm whose number is its learning rate, on a sparse group lasso."""

    def build(rate, lam, factory):
        def bound(learning_rate, regularizer):
            return algorithm(learning_rate, regularizer, **options)

        return factory(bound)(rate, sgl.SparseGroup(sgl.L1(lam), sgl.L1(group_lam)))

    return build


def coupled(algorithm, name, lam, **options):
    """An algorithm whose number is its coupling, on a sparse group lasso."""

    def build(number, lam, factory):
        def bound(learning_rate, regularizer, number):
            return algorithm(learning_rate, regularizer, **{name: number}, **options)

        both = sgl.SparseGroup(sgl.L1(lam), sgl.L1(0.0005))
        return factory(bound)(RATE, both, number)

    return Method(build, lam, "entry_lam", name)


def hspg(rate, lam, factory):
    regularizer = sgl.Regularizer(sgl.L1(lam), sgl.by_entry(only="kernel"))
    return factory(lambda rate, regularizer: sgl.hspg(rate, regularizer))(rate, regularizer)


def magnitude(rate, density, factory):
    regularizer = sgl.Regularizer(sgl.TopK(density), sgl.by_layer(only="kernel"))

    def bound(rate, regularizer):
        return sgl.magnitude(rate, regularizer, begin=2, steps=5, period=2, base=optax.sgd)

    return factory(bound)(rate, regularizer)


METHODS = {
    "splitting_sgd": splitting(optax.sgd(RATE)),
    "splitting_adam": splitting(optax.adam(0.01)),
    "splitting_adamw": splitting(optax.adamw(0.01)),
    "splitting_lion": splitting(optax.lion(0.01)),
    "apply_prox_sgd": prox_last(optax.sgd(RATE, momentum=0.9)),
    "apply_prox_lion": prox_last(optax.lion(0.01)),
    "prox_adam": Method(prox_adam, 0.03, "entry_lam"),
    "prox_sgd": Method(prox_sgd, 0.5, "lam"),
    "admm": coupled(sgl.admm, "rho", 0.02, period=2, base=optax.sgd),
    "fista": Method(sparse_group(sgl.fista), 0.5, "entry_lam"),
    "hspg": Method(hspg, 0.3, "lam"),
    "magnitude": Method(magnitude, 0.5, ""),
    "rda": Method(sparse_group(sgl.rda, power=0.25), 0.3, "entry_lam"),
    "relaxed_splitting": coupled(sgl.relaxed_splitting, "beta", 0.005, period=4),
    "schedule_free": Method(sparse_group(sgl.schedule_free), 0.5, "entry_lam"),
}

SUBGRADIENT = Method(sparse_group(sgl.subgradient, base=optax.sgd), 0.3, "entry_lam")
"""The one that sets no zeros."""


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
