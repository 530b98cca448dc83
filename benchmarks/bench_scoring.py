"""Costs of sparse optimal scoring: a path of 20 strengths, and its cross-validation.

Beside them is scikit-learn's linear discriminant analysis with automatic shrinkage, which has no
zeros: one fit, and its cross-validation on the same folds up to 1,000 features. ``limit`` is the
time of a prototype of the same path in NumPy, where there is one: one start for each discriminant,
as in ``one_start_path_s`` and ``one_start_cv_s``, while all starts are tried by default. The data
sets are those that scikit-learn ships and, with ``--data``, files ``NAME.npz`` of a folder, with
arrays ``X_train`` and ``y_train``; the published ones of spectra and heartbeats have limits. The
last row has 100,000 features of 200 samples, and the memory of its path as a multiple of that of
the samples.

    python benchmarks/bench_scoring.py [--rounds N] [--data FOLDER] [--only NAME]
"""

import argparse
import statistics
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _record import save
from sklearn import datasets
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sgl_jax.applications.scoring import (
    SparseOptimalScoring,
    SparseOptimalScoringCV,
    scoring_path,
)


FOLDS = {"oliveoil": 4}
"""Folds of the data sets whose prototype had others than 7."""

LIMITS = {
    "coffee": (0.05, 0.4),
    "ecgfivedays": (0.03, 0.3),
    "oliveoil": (0.4, 2.5),
    "penicillium": (1.2, 8.8),
}
"""Seconds of the prototype, of a path and of its cross-validation."""

SMALL = 1_000
"""Features up to which the dense rule is cross-validated: it takes their cube."""

LARGE = (200, 100_000)
"""Samples and features of the large problem."""

Samples = tuple[np.ndarray, np.ndarray]


def load_shipped() -> dict[str, Samples]:
    """Loads the data sets that scikit-learn ships."""
    names = ("breast_cancer", "iris", "wine")
    return {name: getattr(datasets, f"load_{name}")(return_X_y=True) for name in names}


def load_folder(folder: Path) -> dict[str, Samples]:
    """Loads the data sets of a folder that have a training set."""
    found = {path.stem: np.load(path) for path in sorted(folder.glob("*.npz"))}
    return {
        name: (arrays["X_train"].astype(float), arrays["y_train"])
        for name, arrays in found.items()
        if "X_train" in arrays
    }


def make_large() -> Samples:
    """Draws two classes that differ in 20 of many features."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=LARGE), np.arange(LARGE[0]) % 2
    x[:, :20] += 0.8 * y[:, None]
    return x, y


def time_calls(call: Callable[[], Any], rounds: int) -> float:
    """Measures the median of the seconds of some calls."""
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def measure(name: str, samples: Samples, rounds: int) -> dict[str, Any]:
    """Measures the row of a data set."""
    x, y = samples
    folds = StratifiedKFold(FOLDS.get(name, 7))
    dense = make_pipeline(
        StandardScaler(), LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    )
    limits = LIMITS.get(name, (None, None))
    calls = {
        "path_s": lambda: scoring_path(x, y),
        "cv_s": lambda: SparseOptimalScoringCV(cv=folds).fit(x, y),
        "one_start_path_s": lambda: scoring_path(x, y, SparseOptimalScoring(n_starts=1)),
        "one_start_cv_s": lambda: SparseOptimalScoringCV(n_starts=1, cv=folds).fit(x, y),
        "lda_s": lambda: dense.fit(x, y),
    }
    if x.shape[1] <= SMALL:
        calls["lda_cv_s"] = lambda: cross_val_score(dense, x, y, cv=folds)
    scoring_path(x, y, fractions=2)  # warms up
    row = {"data": name, "samples": len(x), "features": x.shape[1], "classes": len(np.unique(y))}
    row |= {key: round(time_calls(call, rounds), 4) for key, call in calls.items()}
    return row | {"limit_path_s": limits[0], "limit_cv_s": limits[1]}


def measure_large() -> dict[str, Any]:
    """Measures time and memory of the path of the large problem."""
    x, y = make_large()
    seconds = time_calls(lambda: scoring_path(x, y), 1)
    tracemalloc.start()
    path = scoring_path(x, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    row = {"data": "large", "samples": LARGE[0], "features": LARGE[1], "classes": 2}
    row |= {"path_s": round(seconds, 2), "memory": round(peak / x.nbytes, 2)}
    return row | {"kkt": max(float(one.kkt_.max()) for one in path.estimators)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="timed calls (3)")
    parser.add_argument("--data", type=Path, help="folder of further data sets")
    parser.add_argument("--only", default="", help="data sets whose name contains this")
    options = parser.parse_args()
    sets = load_shipped() | (load_folder(options.data) if options.data else {})
    figures = []
    for name, samples in sets.items():
        if options.only in name:
            figures.append(measure(name, samples, options.rounds))
            print(figures[-1], flush=True)
    if options.only in "large":
        figures.append(measure_large())
        print(figures[-1], flush=True)
    if not options.only:
        config = {"rounds": options.rounds, "strengths": 20, "folds": 7, "of_others": FOLDS}
        print(save("scoring", config, figures))


if __name__ == "__main__":
    main()
