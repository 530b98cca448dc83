"""The estimators are scikit-learn's, with its tools around them, and at their edges."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from support import scoring as oracle

import sgl_jax as sgl
from sgl_jax.applications.scoring import SparseOptimalScoring, SparseOptimalScoringCV, lam_max


X, Y = oracle.load("wine")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [SparseOptimalScoring(), SparseOptimalScoringCV(cv=3, fractions=4)],
    expected_failed_checks=None,
)
def test_contract_of_scikit_learn(estimator, check):
    check(estimator)


def test_it_works_in_a_pipeline_a_grid_and_a_cross_validation():
    pipeline = make_pipeline(StandardScaler(), SparseOptimalScoring())
    grid = GridSearchCV(pipeline, {"sparseoptimalscoring__lam": [0.5, 0.1]}, cv=3).fit(X, Y)
    assert grid.best_score_ > 0.95
    assert cross_val_score(pipeline, X, Y, cv=3).mean() > 0.95


def test_transform_gives_a_data_frame_when_asked():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=[f"f{k}" for k in range(13)])
    model = SparseOptimalScoring().set_output(transform="pandas").fit(frame, Y)
    found = model.transform(frame)
    assert list(found.columns) == ["sparseoptimalscoring0", "sparseoptimalscoring1"]
    assert np.allclose(found, (X - X.mean(0)) @ model.scalings_)
    assert model.predict(frame).shape == Y.shape
    assert model.feature_names_in_.tolist() == list(frame.columns)


@pytest.mark.slow
def test_copies_and_pickles_predict_alike():
    model = SparseOptimalScoring(lam=0.2, penalty=sgl.MCP(1.0, 2.5)).fit(X, Y)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))
    twin = clone(model)
    assert twin.get_params()["penalty"] == model.penalty
    assert np.array_equal(twin.fit(X, Y).components_, model.components_)


@pytest.mark.parametrize("name", ["wine", "breast_cancer"])
def test_prediction_is_discriminant_analysis_of_the_discriminants(name):
    x, y = oracle.load(name)
    model = SparseOptimalScoring(lam=0.1).fit(x, y)
    other = LinearDiscriminantAnalysis(solver="lsqr").fit(model.transform(x), y)
    # scikit-learn divides the pooled covariance by n, and the equation by n minus the classes.
    distance = other.decision_function(model.transform(x)).reshape(len(x), -1)
    found = model.decision_function(x).reshape(len(x), -1)
    share = (len(x) - len(np.unique(y))) / len(x)
    assert found.ndim == distance.ndim
    constant = np.log(model.priors_)
    base = constant[1] - constant[0] if found.shape[1] == 1 else constant
    assert np.allclose(found - base, share * (distance - base), atol=1e-5 * np.abs(found).max())
    assert np.allclose(model.predict_proba(x).sum(1), 1)
    assert np.array_equal(model.classes_[model.predict_proba(x).argmax(1)], model.predict(x))


def test_centroids_are_the_nearest():
    model = SparseOptimalScoring(lam=0.3, prediction="centroid").fit(X, Y)
    other = NearestCentroid().fit(model.transform(X), Y)
    assert np.array_equal(model.predict(X), other.predict(model.transform(X)))
    assert not hasattr(model, "predict_proba")


def test_priors_shift_the_functions_of_the_classes():
    plain = SparseOptimalScoring(lam=0.3).fit(X, Y)
    priors = np.array([0.2, 0.3, 0.5])
    moved = SparseOptimalScoring(lam=0.3, priors=priors).fit(X, Y)
    shift = np.log(priors) - np.log(np.bincount(Y) / len(Y))
    assert np.allclose(moved.decision_function(X) - plain.decision_function(X), shift)


@pytest.mark.parametrize("prediction", ["lda", "centroid"])
def test_without_coefficients_the_prior_is_predicted_and_a_word_said(prediction):
    model = SparseOptimalScoring(lam=1.001 * lam_max(X, Y), prediction=prediction)
    with pytest.warns(UserWarning, match="All coefficients are zero") as said:
        model.fit(X, Y)
    assert len(said) == 1
    assert set(model.predict(X)) == {np.bincount(Y).argmax()}
    assert np.array_equal(model.objective_, [1, 1])
    assert np.isfinite(model.decision_function(X)).all()
    if prediction == "lda":
        assert np.allclose(model.predict_proba(X), np.bincount(Y) / len(Y))


def test_constant_columns_have_no_coefficient_and_change_nothing():
    wider = np.column_stack([np.full(len(X), 0.1), X, np.zeros(len(X))])
    model = SparseOptimalScoring(lam=0.2).fit(wider, Y)
    assert not model.components_[:, [0, -1]].any()
    plain = SparseOptimalScoring(lam=0.2).fit(X, Y)
    assert np.allclose(model.components_[:, 1:-1], plain.components_, atol=1e-12)


def test_more_discriminants_than_the_rank_are_zero():
    x = np.column_stack([X[:, 0], 2 * X[:, 0]])
    model = SparseOptimalScoring(lam=0.01).fit(x, Y)
    assert model.components_[0].any()
    assert not model.components_[1].any()
    assert model.score(x, Y) > 0.5


def test_one_feature_and_singletons_and_strings():
    labels = np.array(["b", "a", "c"])[Y]
    single = SparseOptimalScoring(lam=0.01).fit(X[:, [6]], labels)
    assert single.classes_.tolist() == ["a", "b", "c"]
    assert single.score(X[:, [6]], labels) > 0.6
    few = np.concatenate([np.flatnonzero(k == Y)[: 5 if k else 1] for k in range(3)])
    assert np.isfinite(SparseOptimalScoring(lam=0.1).fit(X[few], Y[few]).predict_proba(X)).all()


def test_a_sample_of_each_class_is_enough():
    few = [0, 60, 170]
    model = SparseOptimalScoring(lam=0.1).fit(X[few], Y[few])
    assert np.array_equal(model.predict(X[few]), Y[few])
    assert np.isfinite(model.predict_proba(X[few])).all()


def test_single_precision_is_computed_in_double():
    single = SparseOptimalScoring(lam=0.2).fit(X.astype(np.float32), Y)
    double = SparseOptimalScoring(lam=0.2).fit(X.astype(np.float32).astype(float), Y)
    assert np.array_equal(single.components_, double.components_)
    assert single.components_.dtype == np.float64


def test_without_scaling_columns_are_only_centred():
    scaled = SparseOptimalScoring(lam=0.2, standardize=False).fit(oracle.standard(X), Y)
    assert np.allclose(scaled.components_, SparseOptimalScoring(lam=0.2).fit(X, Y).components_)
    assert np.array_equal(scaled.scalings_, scaled.components_.T)


def test_a_weak_certificate_is_told():
    with pytest.warns(ConvergenceWarning, match="violated by"):
        SparseOptimalScoring(lam=0.05, tol=1e-30).fit(X, Y)


REFUSED = {
    "lam": ({"lam": -1}, "lam has to be a finite number >= 0, got -1"),
    "gamma": ({"gamma": 0}, "gamma has to be a finite number > 0, got 0"),
    "text": ({"lam": "much"}, "lam has to be a finite number >= 0, got 'much'"),
    "components": ({"n_components": 3}, "n_components has to be an integer from 1 to 2"),
    "starts": ({"n_starts": 0}, "n_starts has to be an integer >= 1, or None for all, got 0"),
    "many starts": ({"n_starts": True}, "n_starts has to be an integer >= 1, or None for all"),
    "penalty": ({"penalty": "scadd"}, "penalty has to be one of capped_l1"),
    "convex": ({"penalty": sgl.ElasticNet(1.0)}, "concave in the magnitude, got"),
    "prediction": ({"prediction": "qda"}, "prediction has to be one of centroid, lda, got 'qda'"),
    "priors": ({"priors": [0.5, 0.5]}, "priors has to be 3 probabilities that add up to 1"),
    "unused priors": (
        {"priors": [0.2, 0.3, 0.5], "prediction": "centroid"},
        "priors have an effect with prediction='lda' only",
    ),
    "no groups": ({"group_lam": 0.1}, "group_lam > 0 needs groups"),
    "few labels": ({"groups": [0, 1]}, "groups has to be one label for each of 13 features"),
    "missing label": (
        {"groups": [*range(12), None]},
        "groups has to be one label for each feature, got none for feature 12",
    ),
    "label not a number": ({"groups": [*range(12), np.nan]}, "got none for feature 12"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_parameters_are_refused_in_a_sentence(case):
    options, sentence = REFUSED[case]
    with pytest.raises(ValueError, match=sentence):
        SparseOptimalScoring(**options).fit(X, Y)


def test_samples_are_refused_in_a_sentence():
    broken = X.copy()
    broken[0, 0] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        SparseOptimalScoring().fit(broken, Y)
    with pytest.raises(ValueError, match="at least 2 classes, got 1 class"):
        SparseOptimalScoring().fit(X, np.zeros(len(X), int))
    with pytest.raises(TypeError, match="sample_weight"):
        SparseOptimalScoring().fit(X, Y, sample_weight=np.ones(len(X)))
    with pytest.raises(NotFittedError):
        SparseOptimalScoring().predict(X)


def test_estimator_is_a_public_name():
    assert sgl.scoring.SparseOptimalScoring is SparseOptimalScoring
