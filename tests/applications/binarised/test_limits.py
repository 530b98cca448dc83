"""The theory of the limits: their equations, and what runs do that know nothing of them."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.filters import W_STAR, population, sparse_filter
from support.tiers import usual

import sgl_jax as sgl
from sgl_jax.applications import binarised


pytestmark = pytest.mark.usefixtures("double")

MAKERS = {
    "l1": sgl.L1,
    "l0": lambda lam: sgl.L0(0.2 * lam),
    "transformed_l1": lambda lam: sgl.TransformedL1(lam, 0.7),
}


def problems(count, seed):
    """Random filters of seven entries with strengths and couplings."""
    generator = np.random.default_rng(seed)
    for number in range(count):
        w_star = sparse_filter(generator, 7, 2 + number % 4)
        problem = population(w_star, k=3)
        second = np.sort(np.abs(w_star))[-2]
        lam = problem.constant * second * generator.uniform(0.1, 0.9)
        yield problem, w_star, lam, problem.constant * 10 ** generator.uniform(-0.5, 1)


@jax.jit
def lyapunov(problem, w, penalty, beta):
    return binarised.lyapunov(problem, w, penalty, beta=beta)


def residual(found, c, penalty):
    """The largest residual of the equation of a limit, with the prox of the package."""
    u = np.asarray(penalty.prox(jnp.asarray(found.w), 1.0 / found.beta))
    return np.max(np.abs(found.kappa * found.w - c * found.w_star - found.beta * u))


@pytest.mark.parametrize("name", usual(MAKERS, ["l0", "transformed_l1"]))
def test_limits_satisfy_their_equation_and_their_bounds(name):
    count = 0
    for problem, w_star, lam, beta in problems(6, 0):
        for found in binarised.limits(problem, MAKERS[name](lam), beta=beta):
            count += 1
            assert residual(found, problem.constant, MAKERS[name](lam)) < 1e-12 * (1 + beta)
            assert abs(np.linalg.norm(found.w) - 1) < 1e-13
            assert abs(found.theta - math.acos(min(found.w @ w_star, 1))) < 1e-7
            assert math.sin(found.theta) <= found.bound + 1e-12
            assert found.stable
            objective = lyapunov(problem, jnp.asarray(found.w), MAKERS[name](lam), beta)
            np.testing.assert_allclose(found.objective, objective, rtol=1e-9)
    assert count >= 6


@pytest.mark.parametrize("name", usual(MAKERS, ["l0"]))
def test_runs_end_in_the_list_and_everything_in_the_list_attracts(name):
    """Starts at random, and starts beside each limit."""
    apart = several = 0
    for problem, _, lam, beta in problems(4, 1):
        penalty = MAKERS[name](lam)
        found = np.stack([limit.w for limit in binarised.limits(problem, penalty, beta=beta)])
        noise = np.random.default_rng(1).normal(size=(40, 7))
        start = noise.copy()
        start[: len(found)] = found + 1e-6 * noise[: len(found)]
        run = binarised.fit(problem, jnp.asarray(start), penalty, beta=beta, steps=2000)
        gaps = np.max(np.abs(np.asarray(run.w)[:, None] - found), axis=2)
        assert np.all(np.diag(gaps) < 1e-9)
        apart += np.sum(gaps.min(axis=1) > 1e-9)
        several += len(found) > 1
    assert apart == 0
    assert several == 0 if name == "l1" else several > 0


def test_l1_has_one_limit_below_the_second_largest_entry_and_others_above():
    counts = {True: set(), False: set()}
    for problem, w_star, _, _ in problems(6, 2):
        largest, second = np.sort(np.abs(w_star))[[-1, -2]]
        for share in (0.5, 0.999):
            lam = problem.constant * second * share
            limits = binarised.limits(problem, sgl.L1(lam), beta=5 * problem.constant)
            counts[True].add(len(limits))
        above = problem.constant * (0.05 * second + 0.95 * largest) * 1.2
        limits = binarised.limits(problem, sgl.L1(above), beta=5 * problem.constant)
        counts[False].add(len(limits))
    assert counts[True] == {1}
    assert max(counts[False]) > 1


@pytest.mark.parametrize("lam", [0.05, 0.2, 0.204])
def test_angle_of_l1_with_the_whole_support_has_a_formula(lam):
    problem, beta = population(), 4.0
    c, total = problem.constant, np.sum(np.abs(W_STAR))
    found = binarised.limit(problem, sgl.L1(lam), beta=beta)
    assert found.support.sum() == 6
    expected = lam * math.sqrt(6 - total**2) / (c - lam * total)
    np.testing.assert_allclose(math.tan(found.theta), expected, rtol=1e-11)
    kappa = beta + np.linalg.norm(c * W_STAR[:6] - lam * np.sign(W_STAR[:6]))
    np.testing.assert_allclose(found.kappa, kappa, rtol=1e-13)


def test_equal_magnitudes_are_found_exactly():
    problem = population([0.5, -0.5, 0.0, 0.5, 0.5, 0.0])
    found = binarised.limit(problem, sgl.L1(0.7), beta=4.0)
    assert found.theta < 1e-15
    np.testing.assert_allclose(found.w, found.w_star, atol=1e-15)


def test_l1_is_a_sparsifying_map_of_the_true_filter():
    """u is a soft threshold of it, w a leaky one, up to factors."""
    problem, lam, beta = population(), 0.8, 4.0
    found = binarised.limit(problem, sgl.L1(lam), beta=beta)
    c, kappa, size = problem.constant, found.kappa, np.abs(W_STAR)
    threshold = kappa * lam / (c * beta)
    soft = np.maximum(size - threshold, 0)
    np.testing.assert_allclose(np.abs(found.u), c / (kappa - beta) * soft, atol=1e-14)
    leaky = np.where(size <= threshold, (kappa - beta) / kappa * size, size - lam / c)
    np.testing.assert_allclose(np.abs(found.w), leaky / np.linalg.norm(leaky), atol=1e-14)


@pytest.mark.parametrize("proxy", usual(["identity", "clipped", "sigmoid"], ["clipped"]))
def test_other_proxies_have_the_same_limits_with_another_constant(proxy):
    problem = population(k=20, proxy=proxy)
    penalty = sgl.L1(0.3 * problem.constant / 3.99)
    run = binarised.fit(
        problem, jax.random.normal(jax.random.key(0), (2, 30)), penalty, beta=4.0, steps=600
    )
    found = binarised.limit(problem, penalty, beta=4.0)
    np.testing.assert_allclose(run.w, np.tile(found.w, (2, 1)), rtol=0, atol=1e-10)
    ratio = found.gamma / problem.constant
    assert abs(ratio - 1) < 1e-14 if proxy == "identity" else ratio < 1


def test_steps_below_the_longest_return_and_above_it_leave():
    problem, penalty = population(), sgl.L1(0.8)
    found = binarised.limit(problem, penalty, beta=4.0)
    start = jnp.asarray(found.w) + 1e-9 * jax.random.normal(jax.random.key(0), (30,))
    gaps = []
    for share in (0.98, 1.02):
        step = share * found.longest_step
        with pytest.warns(UserWarning, match="above the bound 1 / "):
            run = binarised.fit(problem, start, penalty, beta=4.0, step_size=step, steps=800)
        gaps.append(np.max(np.abs(run.w - found.w)))
        assert (found.rate(step) < 1) == (share < 1)
    assert gaps[0] < 1e-13
    assert gaps[1] > 1e-6


def test_rate_is_that_of_a_run():
    problem, penalty = population(), sgl.L1(0.8)
    found = binarised.limit(problem, penalty, beta=4.0)
    start = jax.random.normal(jax.random.key(0), (30,))
    run = binarised.fit(problem, start, penalty, beta=4.0, steps=60, record=filter_alone)
    gaps = np.max(np.abs(np.asarray(run.history) - found.w), axis=1)
    np.testing.assert_allclose(
        (gaps[45] / gaps[25]) ** (1 / 20), found.rate(1 / (problem.constant + 4.0)), rtol=1e-3
    )


def filter_alone(w, u):
    del u
    return w


def test_support_that_is_given_has_its_limit_or_none():
    problem = population()
    five = np.abs(W_STAR) > 0.15
    found = binarised.limit(problem, sgl.L0(0.02), beta=4.0, support=five)
    np.testing.assert_array_equal(found.support, five)
    np.testing.assert_allclose(found.theta, 0.0525440976, atol=1e-10)
    assert binarised.limits(problem, sgl.L0(0.02), beta=4.0, support=np.abs(W_STAR) > 0.6) == []
    with pytest.raises(ValueError, match="limit needs strengths that have a stable limit, got"):
        binarised.limit(problem, sgl.L0(0.02), beta=4.0, support=np.abs(W_STAR) > 0.6)


def test_lone_entry_outside_the_true_filter_attracts_for_strong_couplings():
    problem, beta = population([0.6, 0.8, 0.0, 0.0]), 20.0
    found = binarised.limits(problem, sgl.L0(10.0 * 0.25**2), beta=beta)
    outside = [limit for limit in found if limit.support[2:].any()]
    assert len(outside) == 4
    for limit in outside:
        np.testing.assert_allclose(limit.kappa, beta, rtol=1e-12)
        run = binarised.fit(
            problem, jnp.asarray(limit.w), sgl.L0(10.0 * 0.25**2), beta=beta, steps=500
        )
        np.testing.assert_allclose(run.w, limit.w, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_transformed_l1_may_rest_on_a_middle_root():
    """A stable limit where the slope of the prox exceeds kappa / beta in one entry."""
    problem = population([-0.2, -0.75, -0.6, 0.0], k=3)
    penalty, beta = sgl.TransformedL1(0.7 * problem.constant, 0.5), 2.7 * problem.constant
    found = [
        limit
        for limit in binarised.limits(problem, penalty, beta=beta)
        if limit.kappa > beta and np.any(beta * limit.slope > limit.kappa)
    ]
    assert found
    for limit in found:
        start = jnp.asarray(limit.w + np.array([1e-7, -1e-7, 2e-7, 1e-7]))
        run = binarised.fit(problem, start, penalty, beta=beta, steps=2000)
        np.testing.assert_allclose(run.w, limit.w, rtol=0, atol=1e-11)
