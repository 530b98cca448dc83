"""The iteration: by its equations, to the limits of the theory, and downwards."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.filters import W_STAR, angles, iterate, population, sparse_filter
from support.tiers import usual

import sgl_jax as sgl
from sgl_jax.applications import binarised


pytestmark = pytest.mark.usefixtures("double")

KNOWN = [
    (
        sgl.L1(0.2),
        4.0,
        6,
        [0.6494558755, 0.5318384505, 0.4142210255, 0.2966036005, 0.1789861755, 0.0613687505],
    ),
    (
        sgl.L1(0.8),
        4.0,
        3,
        [0.7164333911, 0.5411404356, 0.3658474802, 0.1964711206, 0.1309807470, 0.0654903735],
    ),
    (
        sgl.L1(0.8),
        40.0,
        4,
        [0.7249132814, 0.5475455133, 0.3701777452, 0.1928099771, 0.0197462914, 0.0098731457],
    ),
    (
        sgl.TransformedL1(0.4, 2.0),
        4.0,
        4,
        [0.6948951137, 0.5444526598, 0.3894963704, 0.2272666532, 0.1177608694, 0.0588804347],
    ),
    (sgl.L0(0.005), 4.0, 6, np.abs(W_STAR[:6])),
]
"""Penalty, coupling, number of active entries and magnitudes of the one limit, worked out apart."""


def starts(count, d=30, seed=0):
    return jax.random.normal(jax.random.key(seed), (count, d))


@pytest.mark.parametrize(("penalty", "beta", "active", "expected"), KNOWN)
def test_every_start_leads_to_the_limit_that_is_known(penalty, beta, active, expected):
    run = binarised.fit(population(), starts(8), penalty, beta=beta, steps=800)
    np.testing.assert_allclose(np.abs(run.w[:, :6]), np.tile(expected, (8, 1)), atol=1e-10)
    np.testing.assert_array_equal(np.sign(run.w[:, :6]), np.sign(np.tile(W_STAR[:6], (8, 1))))
    np.testing.assert_allclose(run.w[:, 6:], np.zeros((8, 24)), atol=1e-10)
    assert np.all(np.sum(np.asarray(run.u) != 0, axis=1) == active)
    theory = binarised.limit(population(), penalty, beta=beta)
    np.testing.assert_allclose(run.w, np.tile(theory.w, (8, 1)), atol=1e-12)
    np.testing.assert_allclose(run.u, np.tile(theory.u, (8, 1)), atol=1e-12)


def test_two_limits_of_l0_are_reached():
    run = binarised.fit(population(), starts(64), sgl.L0(0.02), beta=4.0, steps=400)
    theory = binarised.limits(population(), sgl.L0(0.02), beta=4.0)
    assert [found.support.sum() for found in theory] == [5, 6]
    np.testing.assert_allclose(theory[0].kappa, 7.9729115329, atol=1e-10)
    w = np.asarray(run.w)
    gaps = np.stack([np.max(np.abs(w - found.w), axis=1) for found in theory])
    assert np.all(np.min(gaps, axis=0) < 1e-12)
    assert set(np.argmin(gaps, axis=0)) == {0, 1}


PROXES = {
    "l1": (sgl.L1(0.5), lambda w: np.sign(w) * np.maximum(np.abs(w) - 0.25, 0)),
    "l0": (sgl.L0(0.04), lambda w: np.where(np.abs(w) > 0.2, w, 0)),
}


@pytest.mark.parametrize("proxy", ["relu", "identity"])
@pytest.mark.parametrize("name", PROXES)
def test_iterates_are_those_of_the_equations(name, proxy):
    penalty, prox = PROXES[name]
    problem, start = population(k=3, proxy=proxy), np.asarray(starts(1)[0])
    step = 0.6 / (problem.constant + 2.0)
    expected = iterate(start, W_STAR, problem.constant, prox, 2.0, step, 30)
    run = binarised.fit(
        problem,
        jnp.asarray(start),
        penalty,
        beta=2.0,
        step_size=step,
        steps=30,
        record=keep,
    )
    np.testing.assert_allclose(run.history[0], expected, rtol=0, atol=1e-13)
    np.testing.assert_allclose(run.history[1], prox(expected), rtol=0, atol=1e-13)
    np.testing.assert_array_equal(run.u, run.history[1][-1])


def keep(w, u):
    return w, u


@pytest.mark.parametrize("share", [0.3, 1.0])
@pytest.mark.parametrize("d", [12, 60])
def test_l1_ends_at_its_limit_from_every_start_with_every_step(d, share):
    generator = np.random.default_rng(d)
    w_star = sparse_filter(generator, d, d // 3)
    problem = population(w_star, k=5)
    lam, beta = 0.6 * problem.constant * np.sort(np.abs(w_star))[-2], 1.5 * problem.constant
    run = binarised.fit(
        problem,
        starts(6, d),
        sgl.L1(lam),
        beta=beta,
        step_size=share / (problem.constant + beta),
        steps=3000,
    )
    theory = binarised.limit(problem, sgl.L1(lam), beta=beta)
    assert theory.rate(share / (problem.constant + beta)) < 0.99
    np.testing.assert_allclose(run.w, np.tile(theory.w, (6, 1)), rtol=0, atol=1e-10)
    np.testing.assert_array_equal(run.u != 0, np.tile(theory.support, (6, 1)))


@pytest.mark.slow
def test_single_precision_ends_as_near_as_it_can():
    w_star = jnp.asarray(W_STAR, jnp.float32)
    for penalty in (sgl.L1(0.5), sgl.L0(0.005), sgl.TransformedL1(0.4, 2.0)):
        start = starts(1)[0].astype(jnp.float32)
        run = binarised.fit(binarised.Population(w_star, k=20), start, penalty, beta=4.0, steps=300)
        theory = binarised.limit(population(), penalty, beta=4.0)
        assert run.w.dtype == run.u.dtype == jnp.float32
        np.testing.assert_allclose(run.w, theory.w, rtol=0, atol=1e-6)
        np.testing.assert_array_equal(run.u != 0, theory.support)


def random_lanes(count, d, seed):
    """Filters, starts, strengths and couplings, a lane each, over their ranges."""
    generator = np.random.default_rng(seed)
    w_star = np.stack([sparse_filter(generator, d, 1 + lane % d) for lane in range(count)])
    c = population(w_star, k=4).constant
    return (
        population(w_star, k=4),
        jnp.asarray(generator.normal(size=(count, d))),
        jnp.asarray(c * generator.uniform(0.01, 1.0, count)),
        jnp.asarray(c * 10 ** generator.uniform(-1, 1, count)),
    )


MAKERS = {
    "l1": lambda lam: sgl.L1(lam),
    "l0": lambda lam: sgl.L0(0.3 * lam),
    "transformed_l1": lambda lam: sgl.TransformedL1(lam, 0.5 + 0.0 * lam),
}


@pytest.mark.parametrize("name", usual(MAKERS, ["l1"]))
def test_lyapunov_function_never_rises_and_the_true_loss_in_its_place_does(name):
    problem, start, lam, beta = random_lanes(60, 8, 5)
    penalty = MAKERS[name](lam)
    run = binarised.fit(problem, start, penalty, beta=beta, steps=200, record=keep)

    def values(w_star, w, penalty, beta):
        one = binarised.Population(w_star, k=4)
        first = jax.vmap(lambda w: binarised.lyapunov(one, w, penalty, beta=beta))(w)
        loss = jax.vmap(one.loss)(w) - jax.vmap(one.potential)(w)
        return first, first + loss

    falls, rises = jax.vmap(values)(problem.w_star, run.history[0], penalty, beta)
    assert jnp.max(jnp.diff(falls, axis=1)) < 1e-13 * problem.constant
    assert jnp.sum(jnp.any(jnp.diff(rises, axis=1) > 1e-6, axis=1)) > 10


@pytest.mark.slow
def test_lanes_are_single_runs():
    problem, start, lam, beta = random_lanes(3, 6, 0)
    step = 0.5 / (problem.constant + beta)
    lanes = binarised.fit(
        problem, start, sgl.L1(lam), beta=beta, step_size=step, steps=40, record=keep
    )
    for lane in range(3):
        single = binarised.fit(
            binarised.Population(problem.w_star[lane], k=4),
            start[lane],
            sgl.L1(float(lam[lane])),
            beta=float(beta[lane]),
            step_size=float(step[lane]),
            steps=40,
            record=keep,
        )
        for one, many in zip(jax.tree.leaves(single), jax.tree.leaves(lanes), strict=True):
            np.testing.assert_allclose(one, many[lane], rtol=0, atol=1e-14)
    shared = binarised.fit(
        binarised.Population(problem.w_star[0], k=4), start[0], sgl.L1(lam), beta=2.0, steps=9
    )
    assert shared.w.shape == (3, 6)
    np.testing.assert_allclose(jnp.linalg.norm(shared.w, axis=1), jnp.ones(3), atol=1e-15)


def test_only_ratios_of_the_strengths_count():
    start, beta, step = starts(1)[0], 3.0, 0.1
    half, whole = (
        binarised.fit(
            population(factor=factor),
            start,
            sgl.L1(0.4 * scale),
            beta=beta * scale,
            step_size=step / scale,
            steps=50,
        )
        for factor, scale in ((0.5, 1.0), (1.0, 2.0))
    )
    np.testing.assert_array_equal(half.w, whole.w)


def test_nothing_is_left_above_the_largest_threshold_and_nothing_is_nan():
    run = binarised.fit(population(), starts(4), sgl.L1(3.0), beta=4.0, steps=400)
    assert jnp.all(run.u == 0)
    assert jnp.all(run.direction == 0)
    np.testing.assert_allclose(run.w, np.tile(W_STAR, (4, 1)), atol=1e-12)
    # Straight opposite is a fixed point, too, of short steps.
    opposite = binarised.fit(
        population(), jnp.asarray(-W_STAR), sgl.L1(3.0), beta=4.0, step_size=0.04, steps=9
    )
    np.testing.assert_allclose(opposite.w, -W_STAR, atol=1e-12)
    # A step that ends at zero exactly has no direction, and the filter stays.
    one = population([1.0, 0.0])
    stays = binarised.fit(
        one, jnp.array([-1.0, 0.0]), sgl.L1(9.0), beta=1e-9, step_size=0.5 / one.constant, steps=3
    )
    assert jnp.all(jnp.isfinite(stays.w))


def test_direction_is_the_copy_of_norm_one():
    run = binarised.fit(population(), starts(3), sgl.L1(0.8), beta=4.0, steps=100)
    np.testing.assert_allclose(jnp.linalg.norm(run.direction, axis=1), jnp.ones(3), rtol=1e-14)
    np.testing.assert_array_equal(run.direction == 0, run.u == 0)


@pytest.mark.parametrize("name", usual(["l1", "transformed_l1", "l0"], ["l0"]))
def test_without_normalisation_the_filter_collapses_into_a_cycle(name):
    """Two filters of norm eta c / (2 - eta beta), with cosine c / (c + beta norm)."""
    problem, beta, step = population(), 4.0, 0.02
    penalty = {"l1": sgl.L1(0.4), "l0": sgl.L0(0.1), "transformed_l1": sgl.TransformedL1(0.4)}
    run = binarised.fit(
        problem,
        0.1 * starts(4),
        penalty[name],
        beta=beta,
        step_size=step,
        steps=6_000,
        normalize=False,
    )
    c = problem.constant
    norm = step * c / (2.0 - step * beta)
    assert jnp.all(run.u == 0)
    np.testing.assert_allclose(norm, 0.04156, atol=5e-6)
    np.testing.assert_allclose(jnp.linalg.norm(run.w, axis=1), np.full(4, norm), rtol=1e-3)
    angle = np.arccos(c / (c + beta * norm))
    np.testing.assert_allclose(angles(np.asarray(run.w), W_STAR), np.full(4, angle), rtol=1e-3)


def test_without_normalisation_l0_keeps_a_ray_of_limits():
    for t in (3.0, 8.0):
        run = binarised.fit(
            population(),
            jnp.asarray(t * W_STAR),
            sgl.L0(0.005),
            beta=4.0,
            steps=100,
            normalize=False,
        )
        np.testing.assert_allclose(run.w, t * W_STAR, rtol=1e-13)
        np.testing.assert_array_equal(run.u, run.w)
        for start in (1.05 * t * W_STAR + 0.01, t * W_STAR + 0.02 * np.cos(np.arange(30))):
            near = binarised.fit(
                population(),
                jnp.asarray(start),
                sgl.L0(0.005),
                beta=4.0,
                steps=3000,
                normalize=False,
            )
            assert angles(np.asarray(near.w), W_STAR) < 1e-6
            assert 0.8 * t < jnp.linalg.norm(near.w) < 1.3 * t
