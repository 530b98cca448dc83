"""Runs on samples: as near to the limit of the population as the theory predicts."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.filters import sparse_filter

import sgl_jax as sgl
from sgl_jax.applications import binarised


pytestmark = pytest.mark.usefixtures("double")

W_STAR = sparse_filter(np.random.default_rng(4), 8, 3)


def samples(seeds, n, k, proxy):
    """A sample for each seed."""
    keys = jax.vmap(jax.random.key)(jnp.arange(seeds))
    x, y = jax.vmap(lambda key: binarised.draw(key, jnp.asarray(W_STAR), n, k))(keys)
    return binarised.Sample(x, y, proxy)


PENALTIES = {
    "l1": lambda c: sgl.L1(0.15 * c),
    "l0": lambda c: sgl.L0(0.08 * c),
    "transformed_l1": lambda c: sgl.TransformedL1(0.12 * c, 1.0),
}


@pytest.mark.slow
@pytest.mark.parametrize("proxy", ["relu", pytest.param("identity", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["l1", pytest.param("transformed_l1", marks=pytest.mark.slow)])
def test_samples_lead_as_near_as_predicted(name, proxy):
    population = binarised.Population(jnp.asarray(W_STAR), k=2, proxy=proxy)
    penalty, beta = PENALTIES[name](population.constant), population.constant
    theory = binarised.limit(population, penalty, beta=beta)
    run = binarised.fit(
        samples(12, 2000, 2, proxy), jnp.asarray(theory.w), penalty, beta=beta, steps=120
    )
    errors = np.linalg.norm(np.asarray(run.w) - theory.w, axis=1)
    predicted = theory.sampling_error(2000)
    assert np.max(errors) < 3 * predicted
    assert 0.5 * predicted < math.sqrt(np.mean(errors**2)) < 2 * predicted


def last(w, u):
    del u
    return w


@pytest.mark.slow
def test_batches_move_about_the_limit_as_predicted():
    population = binarised.Population(jnp.asarray(W_STAR), k=2)
    penalty, beta, n = sgl.L1(0.15 * population.constant), population.constant, 100
    theory = binarised.limit(population, penalty, beta=beta)
    step = 0.3 / (population.constant + beta)
    batches = binarised.Batches(
        jax.vmap(jax.random.key)(jnp.arange(8)), jnp.asarray(W_STAR), n, k=2
    )
    run = binarised.fit(
        batches, jnp.asarray(theory.w), penalty, beta=beta, step_size=step, steps=400, record=last
    )
    gaps = np.asarray(run.history)[:, 50:] - theory.w
    found = math.sqrt(np.mean(np.sum(gaps**2, axis=2)))
    assert 0.7 < found / theory.batch_error(n, step) < 1.4


@pytest.mark.slow
def test_error_falls_with_the_root_of_the_sample_or_faster_without_a_penalty():
    population = binarised.Population(jnp.asarray(W_STAR), k=2)
    start = jnp.asarray(W_STAR + 0.3 / math.sqrt(len(W_STAR)))
    for lam, expected in ((0.15, -0.5), (0.0, -1.0)):
        penalty = sgl.L1(lam * population.constant)
        theory = binarised.limit(population, penalty, beta=1.0)
        errors = []
        for n in (200, 3200):
            run = binarised.fit(samples(16, n, 2, "relu"), start, penalty, beta=1.0, steps=150)
            gaps = np.linalg.norm(np.asarray(run.w) - theory.w, axis=1)
            errors.append(math.sqrt(np.mean(gaps**2)))
        slope = math.log(errors[1] / errors[0]) / math.log(16)
        assert abs(slope - expected) < 0.25


@pytest.mark.parametrize(("proxy", "noise"), [("relu", 4.0), ("identity", 2.0)])
def test_noise_of_the_gradient_dies_with_the_angle(proxy, noise):
    """The variance off the plane of the filters is noise c^2 theta / n, however many patches."""
    generator, n, k = np.random.default_rng(0), 40_000, 3
    for theta in (0.1, 1.0):
        x = generator.normal(size=(n, k, 3))
        w, w_star = np.array([1.0, 0, 0]), np.array([math.cos(theta), math.sin(theta), 0])
        mu = (x @ w > 0) if proxy == "relu" else np.ones((n, k))
        gap = np.sum(x @ w > 0, axis=1) - np.sum(x @ w_star > 0, axis=1)
        c = binarised.Population(jnp.asarray(w_star), k=k, proxy=proxy).constant
        found = np.var(gap * np.sum(mu * x[..., 2], axis=1)) / c**2
        np.testing.assert_allclose(found, noise * theta, rtol=0.1)
