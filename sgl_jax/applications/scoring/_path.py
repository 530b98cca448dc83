"""Fits of many strengths, from the largest down, each started from the one before."""

import copy
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from sklearn.base import clone

from sgl_jax.applications.scoring._base import Discriminants, Prepared
from sgl_jax.applications.scoring._estimator import SparseOptimalScoring
from sgl_jax.applications.scoring._fit import fit
from sgl_jax.applications.scoring._strength import Strength, find_largest


__all__ = [
    "ScoringPath",
    "follow",
    "lam_max",
    "list_fractions",
    "relative_strength",
    "scoring_path",
]


class ScoringPath(NamedTuple):
    """Estimators along a path of strengths.

    Attributes:
      fractions: the strengths as fractions of the largest useful one, falling.
      estimators: a fitted estimator for each.
      n_features: how many features each uses.
      n_groups: how many groups each uses; without groups the same.
    """

    fractions: Float[np.ndarray, "s"]
    estimators: list[SparseOptimalScoring]
    n_features: Int[np.ndarray, "s"]
    n_groups: Int[np.ndarray, "s"]

    def at_most(
        self, *, features: int | None = None, groups: int | None = None
    ) -> SparseOptimalScoring:
        """Chooses the weakest strength with at most so many features, or groups, or both.

        Args:
          features: largest number of features.
          groups: largest number of groups.

        Raises:
          ValueError: no strength of the path has so few.
        """
        fits = np.ones(len(self.fractions), bool)
        for limit, counts in ((features, self.n_features), (groups, self.n_groups)):
            fits &= True if limit is None else counts <= limit
        if not fits.any():
            raise ValueError(
                f"This path has at least {self.n_features.min()} features in {self.n_groups.min()} "
                f"groups, got features={features} and groups={groups}; start it at a larger "
                "fraction."
            )
        return self.estimators[int(np.flatnonzero(fits)[-1])]


def list_fractions(fractions: Any, smallest: float) -> Float[np.ndarray, "s"]:
    """Lists fractions from 1 down to the smallest, in equal ratios, or sorts given ones.

    Args:
      fractions: how many, or the fractions themselves.
      smallest: the last one.
    """
    whole = isinstance(fractions, int | np.integer)
    if whole and fractions >= 1 and 0 < smallest <= 1:  # pyrefly: ignore
        return np.geomspace(1.0, smallest, int(fractions)) if fractions > 1 else np.ones(1)  # pyrefly: ignore
    given = np.asarray(fractions)
    fits = given.ndim == 1 and len(given) > 0 and given.dtype.kind in "iuf"
    if whole or not fits or not np.all((given > 0) & np.isfinite(given)):
        raise ValueError(
            "fractions has to be how many there are, with smallest in (0, 1], or a list of "
            f"positive numbers, got fractions={fractions!r} and smallest={smallest!r}."
        )
    return np.sort(given.astype(float))[::-1]


def follow(
    estimator: Discriminants, prepared: Prepared, fractions: Float[np.ndarray, "s"]
) -> list[SparseOptimalScoring]:
    """Fits an estimator of given strengths for each fraction of the largest useful ones.

    Args:
      estimator: the settings; its two strengths are known up to a common factor.
      prepared: the data.
      fractions: falling.
    """
    strength, problem = relative_strength(estimator), prepared.problem
    largest, found, fitted = find_largest(problem, strength), None, []
    names = SparseOptimalScoring().get_params()
    blank = SparseOptimalScoring(**{name: getattr(estimator, name) for name in names})
    blank.n_features_in_ = prepared.x.shape[1]
    for fraction in fractions:
        one, here = copy.copy(blank), strength.times(largest * float(fraction))
        found = fit(problem, here.model(problem), prepared.count, found, prepared.n_starts)
        one.lam, one.group_lam = here.lam, here.group_lam
        one._adopt(prepared, found)
        fitted.append(one)
    return fitted


def relative_strength(estimator: Discriminants) -> Strength:
    """Divides the strengths of an estimator by the larger one."""
    strength = estimator._strength()
    larger = max(strength.lam, strength.group_lam)
    if larger == 0:
        raise ValueError("A path needs lam > 0 or group_lam > 0, got 0 and 0; raise one of them.")
    return strength.times(1.0 / larger)


def scoring_path(
    X: Any,
    y: Any,
    estimator: SparseOptimalScoring | None = None,
    *,
    fractions: Any = 20,
    smallest: float = 0.01,
) -> ScoringPath:
    """Fits a path of strengths, from the largest useful one down.

    Args:
      X: the samples, (n, p).
      y: their classes.
      estimator: all settings but the strengths, of which the ratio of ``lam`` and ``group_lam``
        counts; by default the estimator's own, an elastic net.
      fractions: how many strengths there are, or themselves, as fractions of :func:`lam_max`.
      smallest: the last one of so many.

    Raises:
      ValueError: a parameter out of its range.

    Example:
      >>> from sklearn.datasets import load_wine
      >>> from sgl_jax.applications import scoring
      >>> path = scoring.scoring_path(*load_wine(return_X_y=True), fractions=5)
      >>> path.n_features
      array([ 0,  6, 10, 11, 12])
      >>> path.at_most(features=8).components_.shape
      (2, 13)
    """
    estimator = SparseOptimalScoring() if estimator is None else clone(estimator)
    x, y = estimator._validate(X, y)
    prepared = estimator._prepare(x, y)
    values = list_fractions(fractions, smallest)
    fitted = follow(estimator, prepared, values)
    if hasattr(estimator, "feature_names_in_"):
        for one in fitted:
            one.feature_names_in_ = estimator.feature_names_in_
    used = [one.components_.any(axis=0) for one in fitted]
    labels = np.arange(prepared.x.shape[1]) if prepared.labels is None else prepared.labels
    return ScoringPath(
        values,
        fitted,
        np.array([int(each.sum()) for each in used]),
        np.array([len(np.unique(labels[each])) for each in used]),
    )


def lam_max(X: Any, y: Any, estimator: SparseOptimalScoring | None = None) -> float:
    r"""Finds the least strength at which all coefficients are zero.

    For an l1 penalty on the features it is :math:`2 \max_i \sqrt{\sum_k \tfrac{n_k}n m_{ki}^2}`
    with the mean :math:`m_{ki}` of the standardised feature :math:`i` in the class :math:`k`, for
    one on groups the largest spectral norm of a block of :math:`\tfrac2n X^\top Y D^{-1/2}`,
    divided by the square root of the number of its features. Of both strengths it is the larger,
    and they keep their ratio; with three classes or more that is an upper bound. For a nonconvex
    penalty it is the least strength at which no exact step in a single feature, or group, leaves
    zero.

    Args:
      X: the samples, (n, p).
      y: their classes.
      estimator: all settings but the strengths, of which the ratio of ``lam`` and ``group_lam``
        counts; by default the estimator's own, an elastic net.

    Raises:
      ValueError: a parameter out of its range.

    Example:
      >>> from sklearn.datasets import load_wine
      >>> from sgl_jax.applications import scoring
      >>> x, y = load_wine(return_X_y=True)
      >>> round(scoring.lam_max(x, y), 6)
      1.701396
      >>> grouped = scoring.SparseOptimalScoring(lam=0, group_lam=1, groups=[0] * 6 + [1] * 7)
      >>> round(scoring.lam_max(x, y, grouped), 6)
      1.257482
    """
    estimator = SparseOptimalScoring() if estimator is None else clone(estimator)
    x, y = estimator._validate(X, y)
    prepared = estimator._prepare(x, y)
    return find_largest(prepared.problem, relative_strength(estimator))
