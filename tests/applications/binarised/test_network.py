"""The network on inputs that are given: outputs, loss and coarse gradient, against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sgl_jax as sgl
from sgl_jax.applications import binarised


pytestmark = pytest.mark.usefixtures("double")


def drawn(n=40, k=5, d=7):
    """A filter, inputs with some patches of zeros, and outputs."""
    generator = np.random.default_rng(0)
    w, x = generator.normal(size=d), generator.normal(size=(n, k, d))
    x[::3, -1] = 0.0
    return w, x, generator.integers(0, k + 1, n).astype(float)


def by_loops(w, x, y, mu, factor):
    """The coarse gradient, patch by patch."""
    total = np.zeros_like(w)
    for patches, target in zip(x, y, strict=True):
        gap = sum(float(patch @ w > 0) for patch in patches) - target
        total += sum(2 * factor * gap * mu(patch @ w) * patch for patch in patches)
    return total / len(x)


@pytest.mark.parametrize("factor", [0.5, 1.0])
@pytest.mark.parametrize("proxy", sgl.models.PROXIES)
def test_coarse_gradient_is_that_of_the_equation(proxy, factor):
    w, x, y = drawn()

    def mu(t):
        return float(sgl.models.PROXIES[proxy](jnp.asarray(t)))

    found = binarised.coarse_gradient(*map(jnp.asarray, (w, x, y)), proxy, factor)
    np.testing.assert_allclose(found, by_loops(w, x, y, mu, factor), rtol=1e-12, atol=1e-14)


def test_patches_of_zeros_add_nothing():
    w, x, y = map(jnp.asarray, drawn())
    emptied = x.at[:, 2:].set(0.0)
    np.testing.assert_array_equal(
        binarised.no_overlap(w, emptied), binarised.no_overlap(w, x[:, :2])
    )
    for proxy in sgl.models.PROXIES:
        a = binarised.coarse_gradient(w, emptied, y, proxy)
        b = binarised.coarse_gradient(w, x[:, :2], y, proxy)
        np.testing.assert_allclose(a, b, rtol=1e-13)


@pytest.mark.parametrize(
    ("proxy", "moves"), [("relu", False), ("clipped", False), ("identity", True)]
)
def test_filter_of_zeros(proxy, moves):
    _, x, y = map(jnp.asarray, drawn())
    zeros = jnp.zeros(x.shape[-1])
    assert jnp.all(binarised.no_overlap(zeros, x) == 0)
    moves = jnp.any(binarised.coarse_gradient(zeros, x, y, proxy) != 0)
    assert bool(moves) == (proxy == "identity")


def test_gradient_for_one_patch_is_that_of_a_convex_function():
    w, x, _ = drawn(k=1)
    y = (np.arange(len(x)) % 2).astype(float)
    w, x, y = map(jnp.asarray, (w, x, y))

    def perceptron(w):
        return jnp.mean((1 - y) * jax.nn.relu(x[:, 0] @ w))

    found = binarised.coarse_gradient(w, x, y, "relu")
    np.testing.assert_allclose(found, jax.grad(perceptron)(w), rtol=1e-13)


@pytest.mark.parametrize("k", [1, 2, pytest.param(5, marks=pytest.mark.slow)])
def test_gradient_for_more_patches_is_that_of_nothing(k):
    """Around a closed way the sampled coarse gradient does work, but for one patch."""
    x, y = binarised.draw(jax.random.key(k), jnp.array([1.0, 0.5, 0.0]), 300, k)
    turns = jnp.linspace(0.0, 2.0 * jnp.pi, 2001)
    way = jnp.stack([1.5 + jnp.cos(turns), jnp.sin(turns), 0.3 * jnp.ones_like(turns)], axis=1)
    middle, steps = 0.5 * (way[1:] + way[:-1]), jnp.diff(way, axis=0)
    work = jnp.sum(
        jax.lax.map(lambda w: binarised.coarse_gradient(w, x, y), middle) * steps, axis=1
    )
    share = abs(jnp.sum(work)) / jnp.sum(jnp.abs(work))
    assert share < 2e-3 if k == 1 else share > 1e-2


def test_draws_are_gaussian_and_their_outputs_are_the_network_s():
    w_star = jnp.array([0.0, 2.0, -1.0])
    x, y = binarised.draw(jax.random.key(0), w_star, 2000, 3)
    assert x.shape == (2000, 3, 3)
    np.testing.assert_array_equal(y, np.sum(np.asarray(x) @ np.asarray(w_star) > 0, axis=1))
    assert abs(jnp.mean(x)) < 5 / np.sqrt(x.size)
    assert abs(jnp.mean(x**2) - 1) < 5 * np.sqrt(2 / x.size)
