"""Discriminants are optimal, by equations written apart from the solver and by other solvers."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from support import scoring as oracle

from sgl_jax.applications.scoring import SparseOptimalScoring, lam_max


SETS = "wine", "breast_cancer", "digits", "iris"
FORMS = {
    "entries": (0.1, 0.0),
    "groups": (0.0, 0.1),
    "both": (0.05, 0.05),
    "ridge": (0.0, 0.0),
}


def labels_of(features):
    """Groups of unequal sizes whose features are not next to each other."""
    return np.array(["c", "a", "b", "a", "d", "c", "a"])[np.arange(features) % 7]


def assert_stationary(model, x, y, labels, tolerance=1e-10):
    shares = oracle.indicator(y).mean(0)
    gram = model.scores_.T @ (shares[:, None] * model.scores_)
    assert np.allclose(gram, np.eye(len(gram)), atol=1e-12)
    assert np.allclose(shares @ model.scores_, 0, atol=1e-12)
    strengths = model.lam, model.gamma, model.group_lam, labels
    for k, (theta, b) in enumerate(zip(model.scores_.T, model.components_, strict=True)):
        assert oracle.violation(x, y, theta, b, *strengths) < tolerance
        found = oracle.objective(x, y, theta, b, *strengths)
        assert model.objective_[k] == pytest.approx(found, abs=1e-12)
        assert_best_scores(x, y, theta, b, model.scores_[:, :k], tolerance)
    assert model.kkt_.max() < tolerance


def assert_best_scores(x, y, theta, b, before, tolerance):
    """The scores are those of the fitted values, made orthogonal to the ones before."""
    basis = oracle.free_scores(y, tuple(before.T))
    pull = basis.T @ (oracle.indicator(y).T @ (oracle.standard(x) @ b)) / len(x)
    if b.any():
        assert np.allclose(basis @ pull / np.linalg.norm(pull), theta, atol=tolerance)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", SETS)
def test_discriminants_are_stationary(name, form):
    x, y = oracle.load(name)
    lam, group_lam = FORMS[form]
    labels = labels_of(x.shape[1])
    model = SparseOptimalScoring(min(2, y.max()), lam=lam, group_lam=group_lam, groups=labels)
    assert_stationary(model.fit(x, y), x, y, labels)


@pytest.mark.slow
@settings(derandomize=True, max_examples=20, deadline=None, database=None)
@given(
    seed=st.integers(0, 10_000),
    classes=st.integers(2, 4),
    p=st.integers(1, 40),
    lam=st.sampled_from([0.0, 1e-3, 0.05, 0.4]),
    group_lam=st.sampled_from([0.0, 1e-3, 0.05, 0.4]),
    gamma=st.sampled_from([1e-3, 0.1, 10.0]),
)
@pytest.mark.filterwarnings("ignore:All coefficients are zero")
def test_certificate_holds_for_any_data(seed, classes, p, lam, group_lam, gamma):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(20, p)), np.arange(20) % classes
    labels = rng.integers(3, size=p)
    model = SparseOptimalScoring(lam=lam, group_lam=group_lam, groups=labels, gamma=gamma)
    assert_stationary(model.fit(x, y), x, y, labels)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("p", "classes"), [(1, 3), (2, 4)])
def test_discriminants_beyond_the_rank_are_zero(p, classes, seed):
    x, y = np.random.default_rng(seed).normal(size=(20, p)), np.arange(20) % classes
    model = SparseOptimalScoring(lam=0.0)
    assert_stationary(model.fit(x, y), x, y, None)
    assert model.components_.any(axis=1).tolist() == [True] * p + [False]
    assert model.objective_[-1] == 1.0


@pytest.mark.parametrize("lam", [0.02, 0.3])
def test_two_classes_equal_the_elastic_net(lam):
    x, y = oracle.wide(classes=2)
    model = SparseOptimalScoring(lam=lam, gamma=0.01).fit(x, y)
    b = oracle.elastic_net(x, y, model.scores_[:, 0], lam, 0.01)
    # The distance to the minimiser is at most that of the gradient, divided by the curvature.
    theta, both = model.scores_[:, 0], (b, *model.components_)
    far = [oracle.violation(x, y, theta, each, lam, 0.01) for each in both]
    bound = np.sqrt(x.shape[1]) * sum(far) / (2 * 0.01)
    assert np.linalg.norm(model.components_[0] - b) <= bound + 1e-12
    assert np.array_equal(model.components_[0] != 0, np.abs(b) > 1e-9)
    assert model.optimum_.tolist() == ["global"]


@pytest.mark.parametrize(("lam", "group_lam"), [(0.0, 0.3), (0.02, 0.06)])
def test_groups_equal_proximal_descent(lam, group_lam):
    x, y = oracle.wide(classes=2)
    labels = labels_of(x.shape[1])
    model = SparseOptimalScoring(lam=lam, group_lam=group_lam, groups=labels, gamma=0.05).fit(x, y)
    theta = model.scores_[:, 0]
    b = oracle.proximal_descent(x, y, theta, lam, 0.05, group_lam, labels, steps=2_000)
    assert np.allclose(model.components_[0], b, atol=1e-8)
    assert 0 < (b == 0).sum() < len(b)


@pytest.mark.parametrize("fraction", [0.1, 0.4, 0.8, 0.95])
@pytest.mark.parametrize("name", ["wine", "iris"])
def test_first_discriminant_is_the_least_of_all_scores(name, fraction):
    x, y = oracle.load(name)
    model = SparseOptimalScoring(gamma=0.01)
    model.set_params(lam=fraction * lam_max(x, y, model)).fit(x, y)
    least = oracle.scan(x, y, model.lam, 0.01, angles=60)
    assert model.objective_[0] <= least + 1e-12
    assert model.objective_[0] >= least - 0.02


def test_groups_of_one_feature_are_features():
    x, y = oracle.load("wine")
    features = SparseOptimalScoring(lam=0.2).fit(x, y)
    groups = SparseOptimalScoring(lam=0, group_lam=0.2, groups=np.arange(13)[::-1]).fit(x, y)
    assert np.allclose(groups.components_, features.components_, atol=1e-10)


@pytest.mark.parametrize("name", SETS)
def test_two_fits_are_equal_bit_for_bit(name):
    x, y = oracle.load(name)
    one, other = (SparseOptimalScoring(min(2, y.max()), lam=0.05).fit(x, y) for _ in range(2))
    for attribute in ("components_", "scores_", "objective_", "kkt_"):
        assert np.array_equal(getattr(one, attribute), getattr(other, attribute))


@pytest.mark.parametrize("form", ["entries", "groups"])
def test_fit_does_not_depend_on_orders_names_and_units(form):
    x, y = oracle.load("wine")
    lam, group_lam = FORMS[form]
    rng, labels = np.random.default_rng(1), labels_of(13)
    model = SparseOptimalScoring(lam=lam, group_lam=group_lam, groups=labels)
    b = model.fit(x, y).components_
    rows, columns = rng.permutation(len(x)), rng.permutation(13)
    moved = model.set_params(groups=labels[columns]).fit(x[rows][:, columns], y[rows])
    assert np.allclose(moved.components_, b[:, columns], atol=1e-8)
    model.set_params(groups=labels)
    assert np.allclose(model.fit(x, np.array(["z", "x", "y"])[y]).components_, b, atol=1e-8)
    assert np.allclose(model.fit(1e3 * x - 5, y).components_, b, atol=1e-8)
    assert np.allclose(model.fit(oracle.standard(x), y).components_, b, atol=1e-8)


@pytest.mark.parametrize("form", ["entries", "groups", "both"])
def test_nothing_is_left_at_the_largest_strength_and_something_below(form):
    x, y = oracle.wide(classes=2)
    labels = labels_of(x.shape[1])
    lam, group_lam = FORMS[form]
    model = SparseOptimalScoring(lam=lam, group_lam=group_lam, groups=labels)
    largest, larger = lam_max(x, y, model), max(lam, group_lam)
    for factor, live in ((1 + 1e-9, False), (1 - 1e-6, True)):
        scale = factor * largest / larger
        model.set_params(lam=scale * lam, group_lam=scale * group_lam)
        if live:
            assert model.fit(x, y).components_.any()
        else:
            with pytest.warns(UserWarning, match="All coefficients are zero"):
                model.fit(x, y)
            assert not model.components_.any()


@pytest.mark.parametrize("form", ["entries", "groups"])
def test_largest_strength_holds_for_three_classes(form):
    x, y = oracle.wide(classes=3)
    lam, group_lam = (1.0, 0.0) if form == "entries" else (0.0, 1.0)
    model = SparseOptimalScoring(lam=lam, group_lam=group_lam, groups=labels_of(x.shape[1]))
    largest = (1 - 1e-3) * lam_max(x, y, model)
    model.set_params(lam=lam * largest, group_lam=group_lam * largest).fit(x, y)
    assert model.components_[0].any()
    assert model.objective_[0] < 1
