"""The parameters of an estimator, checked: an error is one sentence."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int

import sgl_jax as sgl
from sgl_jax.applications.scoring._concave import with_strength
from sgl_jax.applications.scoring._rules import RULES


__all__ = [
    "check_numbers",
    "check_prediction",
    "find_count",
    "find_groups",
    "find_penalty",
    "find_priors",
    "find_starts",
]

RANGES = {
    "lam": (">= 0", lambda value: value >= 0),
    "group_lam": (">= 0", lambda value: value >= 0),
    "gamma": ("> 0", lambda value: value > 0),
    "tol": ("> 0", lambda value: value > 0),
}


def check_numbers(given: Mapping[str, Any]) -> None:
    """Refuses parameters that are no number of their range, by name."""
    for name, (words, holds) in RANGES.items():
        value = given[name]
        real = isinstance(value, float | int | np.floating | np.integer)
        if not real or not np.isfinite(value) or not holds(value):
            raise ValueError(f"{name} has to be a finite number {words}, got {value!r}.")
    if given["group_lam"] > 0 and given["groups"] is None:
        raise ValueError(
            f"group_lam > 0 needs groups, one label for each feature, got group_lam="
            f"{given['group_lam']!r} and no groups."
        )


def check_prediction(prediction: Any, priors: Any) -> None:
    """Refuses rules that are unknown, and priors where no rule looks at them."""
    if prediction not in RULES:
        raise ValueError(f"prediction has to be one of {', '.join(RULES)}, got {prediction!r}.")
    if prediction == "centroid" and priors is not None:
        raise ValueError(
            "priors have an effect with prediction='lda' only, got prediction='centroid'; leave "
            "one of them out."
        )


def find_count(n_components: Any, classes: int) -> int:
    """Finds the number of discriminants; all there are by default."""
    if n_components is None:
        return classes - 1
    whole = isinstance(n_components, int | np.integer) and not isinstance(n_components, bool)
    if not whole or not 1 <= n_components <= classes - 1:
        raise ValueError(
            f"n_components has to be an integer from 1 to {classes - 1}, one less than there are "
            f"classes, got {n_components!r}."
        )
    return int(n_components)


def find_starts(n_starts: Any) -> int | None:
    """Finds the most starts of a discriminant; ``None`` stands for all."""
    if n_starts is None:
        return None
    whole = isinstance(n_starts, int | np.integer) and not isinstance(n_starts, bool)
    if not whole or n_starts < 1:
        raise ValueError(f"n_starts has to be an integer >= 1, or None for all, got {n_starts!r}.")
    return int(n_starts)


def find_penalty(penalty: Any) -> sgl.NormPenalty:
    """Finds a penalty by name, or takes one as it is; it has to be concave in the magnitude."""
    concave = [
        name
        for name, make in sgl.PENALTIES.items()
        if issubclass(make, sgl.NormPenalty) and make.curvature == "concave"
    ]
    if isinstance(penalty, str) and penalty in concave:
        return sgl.PENALTIES[penalty](1.0)  # pyrefly: ignore
    if isinstance(penalty, sgl.NormPenalty) and penalty.curvature == "concave":
        return with_strength(penalty, 1.0)
    raise ValueError(
        f"penalty has to be one of {', '.join(concave)}, or a penalty of sgl_jax that is concave "
        f"in the magnitude, got {penalty!r}."
    )


def find_groups(groups: Any, features: int) -> Int[np.ndarray, "p"] | None:
    """Numbers the groups of the features by their labels."""
    if groups is None:
        return None
    labels = np.asarray(groups)
    if labels.shape != (features,):
        raise ValueError(
            f"groups has to be one label for each of {features} features, got an array of shape "
            f"{labels.shape}."
        )
    missing = [k for k, label in enumerate(labels.tolist()) if label is None or label != label]
    if missing:
        raise ValueError(
            f"groups has to be one label for each feature, got none for feature {missing[0]}; "
            "give it a group of its own."
        )
    return np.unique(labels, return_inverse=True)[1].ravel()


def find_priors(priors: Any, codes: Int[np.ndarray, "n"]) -> Float[np.ndarray, "K"]:
    """Finds the probabilities of the classes; by default their shares of the samples."""
    shares = np.bincount(codes) / len(codes)
    if priors is None:
        return shares
    given = np.asarray(priors, float)
    if given.shape != shares.shape or not np.all(given >= 0) or not np.isclose(given.sum(), 1.0):
        raise ValueError(
            f"priors has to be {len(shares)} probabilities that add up to 1, one for each class, "
            f"got {priors!r}."
        )
    return given
