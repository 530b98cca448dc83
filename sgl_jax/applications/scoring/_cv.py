"""The strength by cross-validation."""

from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv

from sgl_jax.applications.scoring._base import Discriminants
from sgl_jax.applications.scoring._fit import fit
from sgl_jax.applications.scoring._path import follow, list_fractions, relative_strength
from sgl_jax.applications.scoring._strength import find_largest


__all__ = ["SparseOptimalScoringCV"]


class SparseOptimalScoringCV(Discriminants):
    """Discriminant analysis with the strength that predicts best in cross-validation.

    The strengths that are compared are fractions of the largest useful one, :func:`lam_max`, of
    each training set, in whose path every fit starts from the one before. Of equal means the
    largest strength counts, which has the fewest features.

    Args:
      n_components: number of discriminants, one less than there are classes by default.
      lam: strength on the coefficients; only its ratio to ``group_lam`` counts.
      group_lam: strength on the norms of the groups; only its ratio to ``lam`` counts.
      groups: a label for each feature, or ``None``.
      gamma: strength of the ridge, > 0.
      penalty: as in :class:`SparseOptimalScoring`.
      prediction: ``"lda"`` or ``"centroid"``.
      priors: probabilities of the classes for ``"lda"``.
      standardize: divide each feature by its standard deviation.
      n_starts: how many scores each search starts from at most; all by default.
      tol: a larger ``kkt_`` gives a ``ConvergenceWarning``.
      fractions: how many strengths there are, or themselves, as fractions of the largest.
      smallest: the last one of so many.
      cv: number of folds, a splitter of scikit-learn, or pairs of training and test indices.
      scoring: a name or a function of scikit-learn; the accuracy by default.

    Attributes:
      fractions_: the fractions, falling.
      cv_scores_: the score of each fraction in each fold.
      fraction_: the one with the best mean.
      lam_: the strength on the coefficients that it stands for.
      group_lam_: the strength on the norms of the groups.
      components_: this and all others as in :class:`SparseOptimalScoring`, fitted to all samples.

    Raises:
      ValueError: in ``fit``, a parameter out of its range.

    Example:
      >>> from sklearn.datasets import load_wine
      >>> from sgl_jax.applications.scoring import SparseOptimalScoringCV
      >>> x, y = load_wine(return_X_y=True)
      >>> model = SparseOptimalScoringCV(fractions=[0.5, 0.2, 0.05]).fit(x, y)
      >>> model.cv_scores_.shape
      (3, 5)
      >>> model.fraction_
      0.05
    """

    def __init__(
        self,
        n_components=None,
        *,
        lam=1.0,
        group_lam=0.0,
        groups=None,
        gamma=1e-3,
        penalty="l1",
        prediction="lda",
        priors=None,
        standardize=True,
        n_starts=None,
        tol=1e-8,
        fractions=20,
        smallest=0.01,
        cv=None,
        scoring=None,
    ):
        self.n_components = n_components
        self.lam = lam
        self.group_lam = group_lam
        self.groups = groups
        self.gamma = gamma
        self.penalty = penalty
        self.prediction = prediction
        self.priors = priors
        self.standardize = standardize
        self.n_starts = n_starts
        self.tol = tol
        self.fractions = fractions
        self.smallest = smallest
        self.cv = cv
        self.scoring = scoring

    def fit(self, X: Any, y: Any, sample_groups: Any = None) -> "SparseOptimalScoringCV":
        """Finds the strength, and with it the discriminants of all samples.

        Args:
          X: the samples, (n, p).
          y: their classes, at least two.
          sample_groups: labels of the samples, for a splitter that keeps some of them together.

        Raises:
          ValueError: a parameter out of its range, or samples that no discriminant can be made of.
        """
        x, y = self._validate(X, y)
        prepared, self.fractions_ = (
            self._prepare(x, y),
            list_fractions(self.fractions, self.smallest),
        )
        splits = check_cv(self.cv, y, classifier=True).split(x, y, sample_groups)
        self.cv_scores_ = np.stack([self._score(x, y, *split) for split in splits], axis=1)
        best = int(np.argmax(self.cv_scores_.mean(axis=1)))
        self.fraction_ = float(self.fractions_[best])
        largest = find_largest(prepared.problem, relative_strength(self))
        strength = relative_strength(self).times(largest * self.fraction_)
        self.lam_, self.group_lam_ = strength.lam, strength.group_lam
        model = strength.model(prepared.problem)
        self._adopt(
            prepared, fit(prepared.problem, model, prepared.count, n_starts=prepared.n_starts)
        )
        self._warn()
        return self

    def _score(
        self, x: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray
    ) -> Float[np.ndarray, "s"]:
        """Scores each strength on the test samples of a fold."""
        prepared = self._prepare(x[train], y[train], fewer=True)
        fitted = follow(self, prepared, self.fractions_)
        if self.scoring is None:  # the accuracy; checks of every call take as long as the path
            return np.array([np.mean(one.predict(x[test]) == y[test]) for one in fitted])
        score = check_scoring(fitted[0], self.scoring)
        return np.array([score(one, x[test], y[test]) for one in fitted])
