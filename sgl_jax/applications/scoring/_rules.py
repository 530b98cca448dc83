"""Rules that assign a sample to a class: linear functions of its discriminants, one for each."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


__all__ = ["RULES", "LinearRule", "predict_the_prior"]

RIDGE = 1e-9
"""Share of the variance that is added where the classes have none within, so that none is 0."""


class LinearRule(NamedTuple):
    """The class whose function is largest, the first of several.

    Attributes:
      slope: slopes of the functions.
      offset: their values at zero.
    """

    slope: Float[np.ndarray, "q K"]
    offset: Float[np.ndarray, "K"]

    def __call__(self, scores: Float[np.ndarray, "n q"]) -> Float[np.ndarray, "n K"]:
        """Computes the functions of samples, by their discriminants."""
        return scores @ self.slope + self.offset


def _centres(scores: Float[np.ndarray, "n q"], codes: Int[np.ndarray, "n"]) -> np.ndarray:
    indicator = np.eye(codes.max() + 1)[codes]
    return indicator.T @ scores / indicator.sum(0)[:, None]


def predict_the_prior(q: int, priors: Float[np.ndarray, "K"]) -> LinearRule:
    """Makes the rule of discriminants that are all zero."""
    return LinearRule(np.zeros((q, len(priors))), _log(priors))


def _log(priors: Float[np.ndarray, "K"]) -> Float[np.ndarray, "K"]:
    return np.log(np.maximum(priors, np.finfo(float).tiny))


def fit_lda(
    scores: Float[np.ndarray, "n q"], codes: Int[np.ndarray, "n"], priors: Float[np.ndarray, "K"]
) -> LinearRule:
    """Makes the rule of normal classes with one covariance, pooled, in the space of discriminants.

    Args:
      scores: the discriminants of the samples; columns of zeros count for nothing.
      codes: the class of each sample, from 0 on.
      priors: the probabilities of the classes.
    """
    centres = _centres(scores, codes)
    spread = scores.std(0)
    live = np.flatnonzero(spread > 0)
    unit, within = centres[:, live] / spread[live], (scores - centres[codes])[:, live]
    within = within / spread[live]
    covariance = within.T @ within / max(len(scores) - len(centres), 1)
    slope = np.linalg.solve(covariance + RIDGE * np.eye(len(live)), unit.T)
    whole = np.zeros((scores.shape[1], len(centres)))
    whole[live] = slope / spread[live][:, None]
    return LinearRule(whole, _log(priors) - 0.5 * (unit.T * slope).sum(0))


def fit_centroid(
    scores: Float[np.ndarray, "n q"], codes: Int[np.ndarray, "n"], priors: Float[np.ndarray, "K"]
) -> LinearRule:
    """Makes the rule of the nearest centroid, by Euclidean distance; arguments as in LDA."""
    centres = _centres(scores, codes)
    return LinearRule(centres.T, -0.5 * np.square(centres).sum(1))


RULES: dict[str, Callable[..., LinearRule]] = {"centroid": fit_centroid, "lda": fit_lda}
"""Makers of a rule by name: ``(scores, codes, priors) -> LinearRule``."""
