"""Nonconvex penalties end at stationary points that no change of one block improves."""

import jax
import mpmath as mp
import numpy as np
import pytest
from support import scoring as oracle
from support.oracles import SCALARS

import sgl_jax as sgl
from sgl_jax.applications.scoring import SparseOptimalScoring, lam_max


CONCAVE = [
    name
    for name, make in sgl.PENALTIES.items()
    if issubclass(make, sgl.NormPenalty) and make.curvature == "concave" and name != "l1"
]
GAMMA, LAM = 0.05, 0.1


def shape_of(name):
    return SCALARS[name].shapes[0]


def penalty_of(name):
    return sgl.PENALTIES[name](1.0, **shape_of(name))


def phi(name, t, lam=LAM):
    return SCALARS[name].phi(np.abs(t), lam, **shape_of(name))


def slope(name, t, lam=LAM):
    return float(SCALARS[name].slopes(mp.mpf(float(t)), lam, **shape_of(name))[0])


def fitted(name, **options):
    x, y = oracle.wide(classes=2)
    model = SparseOptimalScoring(gamma=GAMMA, penalty=penalty_of(name), **options)
    return x, y, model.fit(x, y)


@pytest.mark.parametrize("name", CONCAVE)
def test_entries_are_stationary_and_no_single_one_is_better_elsewhere(name):
    x, y, model = fitted(name, lam=LAM)
    theta, b = model.scores_[:, 0], model.components_[0]
    g = oracle.gradient(x, y, theta, b, GAMMA)
    live = np.flatnonzero(b)
    assert 0 < len(live) < len(b)
    left = [g[k] + np.sign(b[k]) * slope(name, abs(b[k])) for k in live]
    assert np.abs(left).max() < 1e-9
    assert model.kkt_[0] < 1e-9
    assert model.optimum_.tolist() == ["stationary"]
    # The objective along one coordinate, on a grid that has zero and the coefficient itself.
    curvature = 2 / len(x) * np.square(oracle.standard(x)).sum(0) + 2 * GAMMA
    for k in range(len(b)):
        z = np.concatenate([[0.0, b[k]], np.linspace(-2, 2, 2001)])
        change = z - b[k]
        cost = g[k] * change + 0.5 * curvature[k] * change**2 + phi(name, z)
        assert cost[1] <= cost.min() + 1e-8


@pytest.mark.parametrize("name", CONCAVE)
def test_objective_is_that_of_the_equation(name):
    x, y, model = fitted(name, lam=LAM)
    theta, b = model.scores_[:, 0], model.components_[0]
    smooth = oracle.objective(x, y, theta, b, 0.0, GAMMA)
    assert model.objective_[0] == pytest.approx(smooth + phi(name, b).sum(), abs=1e-10)


@pytest.mark.parametrize("name", CONCAVE)
def test_groups_are_stationary(name):
    labels = np.arange(60) % 12
    x, y, model = fitted(name, lam=0.0, group_lam=0.03, groups=labels)
    theta, b = model.scores_[:, 0], model.components_[0]
    g = oracle.gradient(x, y, theta, b, GAMMA)
    lengths, weights = oracle.norms(b, labels)
    for group in np.flatnonzero(lengths):
        inside = labels == group
        pull = weights[group] * slope(name, lengths[group], 0.03) / lengths[group]
        assert np.abs(g[inside] + pull * b[inside]).max() < 1e-9
    smooth = oracle.objective(x, y, theta, b, 0.0, GAMMA)
    found = smooth + weights @ phi(name, lengths, 0.03)
    assert model.objective_[0] == pytest.approx(found, abs=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["transformed_l1", "mcp", "l0"])
def test_entries_and_groups_together_are_stationary(name):
    labels = np.arange(60) % 12
    x, y, model = fitted(name, lam=0.02, group_lam=0.01, groups=labels)
    theta, b = model.scores_[:, 0], model.components_[0]
    g = oracle.gradient(x, y, theta, b, GAMMA)
    lengths, weights = oracle.norms(b, labels)
    for k in np.flatnonzero(b):
        group = labels[k]
        pull = weights[group] * slope(name, lengths[group], 0.01) / lengths[group] * b[k]
        assert abs(g[k] + pull + np.sign(b[k]) * slope(name, abs(b[k]), 0.02)) < 1e-9
    assert b.any()


@pytest.mark.parametrize("name", ["mcp", "log_sum"])
def test_three_classes_are_stationary(name):
    x, y = oracle.wide(classes=3)
    model = SparseOptimalScoring(lam=0.15, gamma=GAMMA, penalty=penalty_of(name)).fit(x, y)
    assert model.kkt_.max() < 1e-9
    for theta, b in zip(model.scores_.T, model.components_, strict=True):
        g = oracle.gradient(x, y, theta, b, GAMMA)
        left = [g[k] + np.sign(b[k]) * slope(name, abs(b[k]), 0.15) for k in np.flatnonzero(b)]
        assert np.abs(left).max() < 1e-9


@pytest.mark.parametrize("name", ["mcp", "l0", "lq", "transformed_l1"])
def test_nothing_is_left_at_the_largest_strength_and_something_below(name):
    x, y = oracle.wide(classes=2)
    model = SparseOptimalScoring(lam=1, gamma=GAMMA, penalty=penalty_of(name))
    largest = lam_max(x, y, model)
    assert model.set_params(lam=0.99 * largest).fit(x, y).components_.any()
    with pytest.warns(UserWarning, match="All coefficients are zero"):
        model.set_params(lam=1.0001 * largest).fit(x, y)
    assert not model.components_.any()


def test_l1_of_the_package_is_the_l1_of_the_solver():
    x, y = oracle.wide(classes=2)
    strength = lam_max(x, y)
    pull = 2 / len(x) * oracle.standard(x).T @ oracle.indicator(y) @ oracle.free_scores(y)
    with jax.enable_x64(True):
        params, grads = np.zeros(60), np.linalg.norm(pull, axis=1)
        assert float(sgl.lam_max(sgl.Regularizer(sgl.L1(1.0)), params, grads)) == pytest.approx(
            strength, rel=1e-12
        )


def test_setting_of_the_process_stays():
    before = jax.config.jax_enable_x64
    fitted("mcp", lam=LAM)
    assert jax.config.jax_enable_x64 == before
