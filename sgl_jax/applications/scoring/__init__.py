"""Sparse optimal scoring: discriminant analysis with few features, as a scikit-learn estimator.

In the order in which data flow:

- ``_settings``: the parameters of an estimator, checked;
- ``_problem``: standardised columns, the indicator of the classes, and rows no more than needed;
- ``_strength``: the strengths, the model that they make, and the largest of use;
- ``_models``, ``_concave``: an l1 penalty, and penalties that are concave in the magnitude;
- ``_starts``: the scores that a search starts from;
- ``_fit``: one discriminant after the other, each from all starts;
- ``_theta_step``: scores and coefficients together, by ascent on a sphere;
- ``_b_step``: the coefficients for given scores, by Newton's method;
- ``_terms``: the convex penalty of such a step;
- ``_refine``: the last digits and the certificate;
- ``_rules``: how samples are assigned to classes by their discriminants;
- ``_base``, ``_estimator``: the estimator;
- ``_path``, ``_cv``: a path of strengths, and the strength by cross-validation.

The solver is NumPy's and SciPy's, in float64: its steps are systems of as many equations as there
are samples at most, on a support that changes from step to step, in which a compiled program with
fixed shapes would do more work than it saves. Nonconvex penalties take value, slope and prox from
``sgl_jax``, in float64 whatever the setting of the process.
"""

import importlib.util


if importlib.util.find_spec("sklearn") is None:
    raise ImportError(
        "Sparse optimal scoring needs sklearn, which is not installed: "
        "run `pip install 'sgl-jax[scoring]'`."
    )

from sgl_jax.applications.scoring._cv import SparseOptimalScoringCV as SparseOptimalScoringCV
from sgl_jax.applications.scoring._estimator import SparseOptimalScoring as SparseOptimalScoring
from sgl_jax.applications.scoring._path import (
    ScoringPath as ScoringPath,
    lam_max as lam_max,
    scoring_path as scoring_path,
)


__all__ = [
    "ScoringPath",
    "SparseOptimalScoring",
    "SparseOptimalScoringCV",
    "lam_max",
    "scoring_path",
]
