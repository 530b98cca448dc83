"""A path is its single fits, and cross-validation compares what a loop by hand compares."""

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, StratifiedKFold
from support import scoring as oracle

from sgl_jax.applications.scoring import (
    SparseOptimalScoring,
    SparseOptimalScoringCV,
    lam_max,
    scoring_path,
)


X, Y = oracle.load("wine")
FRACTIONS = [0.6, 0.3, 0.05]


@pytest.mark.slow
def test_path_is_as_good_as_single_fits():
    x, y = oracle.wide(classes=4, n=32)
    path = scoring_path(x, y, fractions=6)
    largest = lam_max(x, y)
    assert np.allclose(path.fractions, np.geomspace(1, 0.01, 6))
    for fraction, one in zip(path.fractions, path.estimators, strict=True):
        assert one.lam == pytest.approx(fraction * largest)
        single = SparseOptimalScoring(lam=one.lam)
        if fraction < 1:
            assert one.objective_[0] <= single.fit(x, y).objective_[0] + 1e-10
        assert one.kkt_.max() < 1e-10


def test_fewer_starts_are_stationary_and_no_better():
    x, y = oracle.load("iris")
    paths = {
        most: scoring_path(x, y, SparseOptimalScoring(gamma=0.01, n_starts=most), fractions=12)
        for most in (1, 2, None)
    }
    for one in paths[1].estimators:
        assert one.kkt_.max() <= 1e-8
    firsts = {
        most: np.array([one.objective_[0] for one in path.estimators])
        for most, path in paths.items()
    }
    assert np.all(firsts[2] <= firsts[1] + 1e-10)
    assert np.all(firsts[None] <= firsts[2] + 1e-10)
    tried = {most: sum(e.n_iter_[0] for e in path.estimators) for most, path in paths.items()}
    assert tried[1] < tried[2] < tried[None]


def test_path_starts_at_nothing_and_counts_features_and_groups():
    labels = np.arange(13) % 4
    settings = SparseOptimalScoring(lam=0, group_lam=1, groups=labels)
    path = scoring_path(X, Y, settings, fractions=[0.1, 1.0, 0.5])
    assert path.fractions.tolist() == [1.0, 0.5, 0.1]
    assert path.n_groups[0] == path.n_features[0] == 0
    for one, features, groups in zip(path.estimators, path.n_features, path.n_groups, strict=True):
        used = one.components_.any(axis=0)
        assert features == used.sum()
        assert groups == len(set(labels[used]))


def test_a_number_of_features_chooses_the_strength():
    path = scoring_path(X, Y, fractions=12)
    chosen = path.at_most(features=6)
    assert np.count_nonzero(chosen.components_.any(axis=0)) <= 6
    weaker = [
        n for n, one in zip(path.n_features, path.estimators, strict=True) if one.lam < chosen.lam
    ]
    assert min(weaker) > 6
    assert path.at_most(groups=0).lam == path.estimators[0].lam
    with pytest.raises(ValueError, match="at least 0 features in 0 groups, got features=-1"):
        path.at_most(features=-1)


def test_cross_validation_is_a_loop_over_folds():
    model = SparseOptimalScoringCV(fractions=FRACTIONS, cv=4).fit(X, Y)
    for fold, (train, test) in enumerate(StratifiedKFold(4).split(X, Y)):
        path = scoring_path(X[train], Y[train], fractions=FRACTIONS)
        found = [one.score(X[test], Y[test]) for one in path.estimators]
        assert np.array_equal(model.cv_scores_[:, fold], found)
    best = model.cv_scores_.mean(1).argmax()
    assert model.fraction_ == FRACTIONS[best]
    assert model.lam_ == pytest.approx(FRACTIONS[best] * lam_max(X, Y))
    assert np.array_equal(
        model.components_, SparseOptimalScoring(lam=model.lam_).fit(X, Y).components_
    )


def test_equal_scores_choose_the_largest_strength():
    x, y = oracle.wide(classes=2)
    x = x + 20 * y[:, None]
    model = SparseOptimalScoringCV(fractions=[0.5, 0.1, 0.9], cv=3).fit(x, y)
    assert np.all(model.cv_scores_ == 1)
    assert model.fraction_ == 0.9


def test_samples_of_a_group_stay_together():
    runs = np.arange(len(X)) % 5
    model = SparseOptimalScoringCV(fractions=FRACTIONS, cv=GroupKFold(5)).fit(X, Y, runs)
    assert model.cv_scores_.shape == (3, 5)
    with pytest.raises(ValueError, match="groups"):
        model.fit(X, Y)


def test_a_class_may_be_missing_in_a_training_set():
    order = np.argsort(Y, kind="stable")
    splits = [(order[:120], order[120:]), (order[::2], order[1::2])]
    model = SparseOptimalScoringCV(2, fractions=FRACTIONS, cv=splits).fit(X, Y)
    assert model.cv_scores_.shape == (3, 2)


@pytest.mark.parametrize("fractions", [0, [], [0.5, -1.0], "many", [[0.5]]])
def test_fractions_are_refused_in_a_sentence(fractions):
    with pytest.raises(ValueError, match="fractions has to be how many there are"):
        scoring_path(X, Y, fractions=fractions)


def test_a_path_needs_a_strength():
    with pytest.raises(ValueError, match="A path needs lam > 0 or group_lam > 0"):
        scoring_path(X, Y, SparseOptimalScoring(lam=0))


def test_certificate_holds_where_later_discriminants_begin():
    x, y = oracle.wide(classes=4, n=32)
    path = scoring_path(x, y, fractions=np.geomspace(1, 0.3, 12).tolist())
    assert max(one.kkt_.max() for one in path.estimators) < 1e-10
