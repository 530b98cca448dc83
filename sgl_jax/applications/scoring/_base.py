"""The base of the estimators: the data of a fit, and everything that follows from one."""

import abc
import warnings
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from sgl_jax.applications.scoring._fit import Discriminant
from sgl_jax.applications.scoring._problem import Columns, Problem, make_problem, measure_columns
from sgl_jax.applications.scoring._rules import RULES, predict_the_prior
from sgl_jax.applications.scoring._settings import (
    check_numbers,
    check_prediction,
    find_count,
    find_groups,
    find_penalty,
    find_priors,
    find_starts,
)
from sgl_jax.applications.scoring._strength import Strength


__all__ = ["Discriminants", "Prepared"]


class Prepared(NamedTuple):
    """The data of a fit before its strength is known.

    Attributes:
      x: the samples, in float64.
      classes: the labels of the classes.
      codes: the class of each sample.
      columns: the constants of the columns.
      order: the columns in the order of the problem.
      labels: the group of each column; ``None`` without groups.
      problem: the data as the solver has them.
      count: number of discriminants.
      n_starts: how many fixed starts each discriminant has at most; ``None`` for all.
    """

    x: np.ndarray
    classes: np.ndarray
    codes: Int[np.ndarray, "n"]
    columns: Columns
    order: Int[np.ndarray, "p"]
    labels: Int[np.ndarray, "p"] | None
    problem: Problem
    count: int
    n_starts: int | None


class Discriminants(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClassifierMixin, BaseEstimator, abc.ABC
):
    """An estimator that is fitted by discriminants."""

    @abc.abstractmethod
    def fit(self, X: Any, y: Any) -> "Discriminants":
        """Finds the discriminants."""

    def transform(self, X: Any) -> Float[np.ndarray, "n q"]:
        """Computes the discriminants of samples.

        Args:
          X: the samples, (n, p).
        """
        return self._project(X)

    def decision_function(self, X: Any) -> np.ndarray:
        """Computes how strongly samples belong to the classes.

        Args:
          X: the samples, (n, p).

        Returns:
          A number for each class, (n, K), the largest for the class that is predicted; for two
          classes that of the second minus that of the first, (n,).
        """
        found = self._decide(X)
        return found[:, 1] - found[:, 0] if len(self.classes_) == 2 else found

    def predict(self, X: Any) -> np.ndarray:
        """Predicts the classes of samples.

        Args:
          X: the samples, (n, p).
        """
        found = self._decide(X)
        return self.classes_[np.argmax(found, axis=1)]

    @available_if(lambda self: self.prediction == "lda")
    def predict_proba(self, X: Any) -> Float[np.ndarray, "n K"]:
        """Computes the probabilities of the classes; there are some with ``prediction="lda"`` only.

        Args:
          X: the samples, (n, p).
        """
        found = self._decide(X)
        odds = np.exp(found - found.max(1, keepdims=True))
        return odds / odds.sum(1, keepdims=True)

    def _project(self, X: Any) -> Float[np.ndarray, "n q"]:
        check_is_fitted(self)
        x = validate_data(self, X, dtype=np.float64, reset=False)
        return (x - self.means_) @ self.scalings_

    def _decide(self, X: Any) -> Float[np.ndarray, "n K"]:
        projected = self._project(X)
        return self._rule(projected)

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def _strength(self) -> Strength:
        return Strength(find_penalty(self.penalty), self.lam, self.group_lam)

    def _validate(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """Checks parameters and data."""
        check_numbers(self.get_params(deep=False))
        check_prediction(self.prediction, self.priors)
        x, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        check_classification_targets(y)
        return x, y

    def _prepare(self, x: np.ndarray, y: np.ndarray, fewer: bool = False) -> Prepared:
        """Makes the problem.

        Args:
          x: the samples.
          y: their classes.
          fewer: take fewer discriminants where there are not enough classes, as in a fold.
        """
        classes, codes = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"y has to have at least 2 classes, got 1 class, {classes[0]!r}.")
        count = None if fewer and (self.n_components or 0) >= len(classes) else self.n_components
        count = find_count(count, len(classes))
        find_priors(self.priors, codes)
        labels = find_groups(self.groups, x.shape[1])
        starts = order = np.arange(x.shape[1])
        if labels is not None and self.group_lam > 0:
            order = np.argsort(labels, kind="stable")
            starts = np.searchsorted(labels[order], np.arange(labels.max() + 1))
        columns = measure_columns(x, self.standardize)
        problem = make_problem(x, codes, columns, order, starts, float(self.gamma))
        most = find_starts(self.n_starts)
        return Prepared(x, classes, codes, columns, order, labels, problem, count, most)

    def _adopt(self, prepared: Prepared, found: list[Discriminant]) -> None:
        """Takes over the discriminants that were found."""
        self.classes_, self.means_ = prepared.classes, prepared.columns.mean
        self.priors_ = find_priors(self.priors, prepared.codes)
        self.components_ = np.zeros((len(found), prepared.x.shape[1]))
        self.components_[:, prepared.order] = [each.b for each in found]
        self.scalings_ = self.components_.T / prepared.columns.scale[:, None]
        self.scores_ = np.stack([each.theta for each in found], axis=1)
        self.objective_ = np.array([each.objective for each in found])
        self.kkt_ = np.array([each.kkt for each in found])
        self.optimum_ = np.array(["global" if each.is_global else "stationary" for each in found])
        self.n_iter_ = np.array([each.steps for each in found])
        scores = (prepared.x - self.means_) @ self.scalings_
        if self.components_.any():
            self._rule = RULES[self.prediction](scores, prepared.codes, self.priors_)
        else:
            self._rule = predict_the_prior(len(found), self.priors_)

    def _warn(self) -> None:
        """Says in a warning that all coefficients are zero, or that the certificate is weak."""
        if not self.components_.any():
            warnings.warn(
                "All coefficients are zero, and the most probable class is predicted for every "
                "sample; lower lam or group_lam below lam_max of these samples.",
                UserWarning,
                stacklevel=3,
            )
        worst = self.kkt_.max()
        if worst > self.tol:
            warnings.warn(
                f"The conditions of a stationary point are violated by {worst:.1e}, more than tol="
                f"{self.tol:.1e}; raise gamma, the strengths or tol.",
                ConvergenceWarning,
                stacklevel=3,
            )
