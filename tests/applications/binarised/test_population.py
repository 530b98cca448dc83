"""Loss, coarse gradient and potential of the population, against quadrature and random draws."""

import functools
import math

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from support.filters import sparse_filter

import sgl_jax as sgl
from sgl_jax.applications import binarised


pytestmark = pytest.mark.usefixtures("double")

EVEN = {
    "clipped": lambda t: mpmath.mpf(0.5 if t < 1 else 0),
    "identity": lambda t: mpmath.mpf(1),
    "relu": lambda t: mpmath.mpf(0.5),
    "sigmoid": lambda t: 1 / (2 + mpmath.exp(t) + mpmath.exp(-t)),
}
"""The even part of each proxy."""

NORMS = [0.1, 1.0, 7.0]

gradient = jax.jit(binarised.population_coarse_gradient, static_argnums=(2, 3, 4))
potential = jax.jit(binarised.potential, static_argnums=(2, 3, 4))
slope = jax.jit(jax.grad(binarised.potential), static_argnums=(2, 3, 4))


@functools.cache
def integrals(proxy, r, theta):
    """The coefficients of the unit filter and across it, and the potential, for one patch."""
    m, cot = EVEN[proxy], mpmath.cot(theta)
    ends = sorted({0.0, min(1 / r, 12.0), 0.3, 2.0, 5.0, 12.0})

    def integral(function):
        return float(2 * mpmath.quad(lambda z: mpmath.npdf(z) * function(z), ends))

    along = integral(lambda z: z * mpmath.ncdf(-z * cot) * m(r * z))
    across = -integral(lambda z: mpmath.npdf(z * cot) * m(r * z))
    total = {"clipped": lambda t: min(t, 1) / 2, "sigmoid": lambda t: mpmath.tanh(t / 2) / 2}
    area = total.get(proxy, lambda t: m(t) * t)
    return along, across, integral(lambda z: mpmath.ncdf(-z * cot) * area(r * z))


def pair(d, r, theta):
    """A filter of norm r, a true one at an angle to it, and the unit vector across."""
    generator = np.random.default_rng(d)
    basis = np.linalg.qr(generator.normal(size=(d, 2)))[0].T
    direction, across = basis
    return r * direction, 3.0 * (math.cos(theta) * direction + math.sin(theta) * across), across


@pytest.mark.parametrize("proxy", EVEN)
def test_gradient_and_potential_are_their_integrals(proxy):
    for r, theta in zip(NORMS, (2.4, 0.3, 1.7), strict=True):
        along, sideways, area = integrals(proxy, r, theta)
        for d, k, factor in [(2, 1, 0.5), (50, 20, 1.0)]:
            w, w_star, across = pair(d, r, theta)
            given = (jnp.asarray(w), jnp.asarray(w_star), k, proxy, factor)
            expected = 2 * factor * k * (along * w / r + sideways * across)
            np.testing.assert_allclose(gradient(*given), expected, rtol=0, atol=1e-12 * k)
            expected = 2 * factor * k * area
            np.testing.assert_allclose(potential(*given), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("proxy", EVEN)
def test_gradient_is_that_of_the_potential(proxy):
    for r in NORMS:
        w, w_star = map(jnp.asarray, pair(6, r, 0.8)[:2])
        found = slope(w, w_star, 3, proxy)
        expected = gradient(w, w_star, 3, proxy)
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


SIZES = [
    (1, 2, 20_000),
    pytest.param(20, 2, 20_000, marks=pytest.mark.slow),
    pytest.param(20, 50, 20_000, marks=pytest.mark.slow),
]


@pytest.mark.slow
@pytest.mark.parametrize(("k", "d", "n"), SIZES)
def test_means_of_draws_are_within_five_standard_errors(k, d, n):
    direction, w_star, _ = pair(d, 1.0, 1.1)
    x = np.random.default_rng(k + d).normal(size=(n, k, d))
    t, target = x @ direction, np.sum(x @ w_star > 0, axis=1)
    gap = np.sum(t > 0, axis=1) - target
    loss = binarised.population_loss(jnp.asarray(direction), jnp.asarray(w_star), k)
    assert abs(np.mean(gap**2 / 2) - loss) < 5 * np.std(gap**2 / 2) / math.sqrt(n)
    for proxy, r in [(proxy, r) for proxy in EVEN for r in NORMS]:
        mu = np.asarray(sgl.models.PROXIES[proxy](jnp.asarray(r * t)))
        each = gap[:, None] * np.einsum("nk,nkd->nd", mu, x)
        expected = gradient(jnp.asarray(r * direction), jnp.asarray(w_star), k, proxy)
        error = np.std(each, axis=0) / math.sqrt(n)
        assert np.all(np.abs(np.mean(each, axis=0) - expected) < 5 * error), (proxy, r)


@pytest.mark.parametrize("proxy", EVEN)
def test_descends_wherever_the_filters_differ(proxy):
    """Against the true gradient, which points straight across with length k / (2 pi r)."""
    for theta in (1e-6, 0.02, 1.0, 3.0):
        w, w_star, across = pair(4, 2.0, theta)
        g = gradient(jnp.asarray(w), jnp.asarray(w_star), 5, proxy)
        assert g @ -across > 0
    same = jnp.asarray([0.3, -0.4])
    for r in (0.1, 1.0, 7.0):
        g = gradient(r * same, same, 5, proxy)
        np.testing.assert_allclose(g, jnp.zeros(2), atol=1e-15)
        g = gradient(-r * same, same, 5, proxy)
        assert abs(g @ jnp.array([0.4, 0.3])) < 1e-15
        assert g @ -same > 1e-3


@pytest.mark.parametrize("proxy", EVEN)
def test_filter_of_zeros_has_the_means_of_the_network(proxy):
    n, k = 20_000, 3
    w_star = jnp.array([0.6, 0.0, -0.8])
    x, y = binarised.draw(jax.random.key(1), w_star, n, k)
    zeros = jnp.zeros(3)
    found = jax.jit(binarised.coarse_gradient, static_argnums=3)(zeros, x, y, proxy)
    expected = gradient(zeros, w_star, k, proxy)
    np.testing.assert_allclose(found, expected, atol=5 * k / math.sqrt(n))
    assert bool(jnp.all(expected == 0)) == (proxy in ("relu", "clipped"))
    loss = binarised.population_loss(zeros, w_star, k)
    np.testing.assert_allclose(loss, jnp.mean(y**2) / 2, rtol=5 * 2 / math.sqrt(n))
    assert potential(zeros, w_star, k, proxy) == 0


def test_loss_is_a_share_of_the_angle_and_norms_do_not_matter():
    w, w_star = map(jnp.asarray, pair(8, 1.0, 0.7)[:2])
    for r in NORMS:
        found = binarised.population_loss(r * w, 5.0 * w_star, 4, 1.0)
        np.testing.assert_allclose(found, 4 * 0.7 / math.pi, rtol=1e-13)


@pytest.mark.parametrize("theta", [1e-9, 1e-3, 1.0, 3.1, math.pi])
def test_angle_has_all_digits(theta):
    w, w_star, _ = pair(3, 2.0, theta)
    np.testing.assert_allclose(
        binarised.angle(jnp.asarray(w), jnp.asarray(w_star)), theta, rtol=1e-7, atol=1e-15
    )


@pytest.mark.slow
@pytest.mark.parametrize("proxy", ["clipped", "sigmoid"])
def test_straight_opposite_is_no_exception_in_single_precision(proxy):
    w = jnp.asarray([0.6, -0.8])
    expected = potential(-w, w, 3, proxy), gradient(-w, w, 3, proxy)
    single = jnp.asarray(w, jnp.float32)
    found = potential(-single, single, 3, proxy), gradient(-single, single, 3, proxy)
    for one, exact in zip(found, expected, strict=True):
        assert one.dtype == jnp.float32
        np.testing.assert_allclose(one, exact, rtol=1e-5)


@pytest.mark.slow
def test_single_precision_has_its_digits():
    generator = np.random.default_rng(3)
    w, w_star = generator.normal(size=10), sparse_filter(generator, 10, 4)
    for proxy in EVEN:
        exact = gradient(jnp.asarray(w), jnp.asarray(w_star), 2, proxy)
        single = [jnp.asarray(v, jnp.float32) for v in (w, w_star)]
        found = gradient(*single, 2, proxy)
        assert found.dtype == jnp.float32
        np.testing.assert_allclose(found, exact, rtol=0, atol=2e-6)
