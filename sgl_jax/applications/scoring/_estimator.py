"""The estimator of given strengths."""

from typing import Any

from sgl_jax.applications.scoring._base import Discriminants
from sgl_jax.applications.scoring._fit import fit


__all__ = ["SparseOptimalScoring"]


class SparseOptimalScoring(Discriminants):
    r"""Discriminant analysis with few features, or few groups of features.

    The classes get scores :math:`\theta_j`, and a linear function of the standardised features
    follows the scores, one after the other for :math:`j = 1, \dots, q`:

    .. math::
      \min_{\theta_j, b_j} \tfrac1n \|Y\theta_j - X b_j\|^2 + \gamma \|b_j\|^2
        + \sum_i \phi_\lambda(|b_{ij}|) + \sum_g \sqrt{p_g}\, \phi_{\lambda_G}(\|b_{gj}\|_2)

    with :math:`D = Y^\top Y / n` such that :math:`\theta_j^\top D \theta_j = 1`, and
    :math:`\theta_j^\top D \theta_l = 0` for :math:`l < j` and for constant scores. With the default
    penalty :math:`\phi_\lambda(t) = \lambda t` it is the elastic net, the group lasso or both.

    Coefficients are exactly zero or not, and the result is the same every time: the search starts
    from fixed scores, and takes the best end. With two classes, and for the last discriminant, that
    is the global minimum for an l1 penalty, up to the sign; otherwise a stationary point.
    ``optimum_`` says which. Everything is computed in float64 on the processor, with NumPy.

    Args:
      n_components: number of discriminants :math:`q`, one less than there are classes by default.
      lam: strength :math:`\lambda \ge 0` on the coefficients.
      group_lam: strength :math:`\lambda_G \ge 0` on the norms of the groups.
      groups: a label for each feature, in any order, for groups of any size; ``None`` for none.
      gamma: strength :math:`\gamma > 0` of the ridge.
      penalty: ``"l1"``, or the name of another penalty that is concave in the magnitude, such as
        ``"mcp"`` and ``"transformed_l1"``; or such a penalty of ``sgl_jax`` with shape parameters
        of its own, whose strength counts for nothing.
      prediction: ``"lda"`` by linear discriminant analysis of the discriminants, or ``"centroid"``,
        the nearest centroid, which has no probabilities.
      priors: probabilities of the classes for ``"lda"``; their shares of the samples by default.
      standardize: divide each feature by its standard deviation. Means are always subtracted.
      n_starts: how many scores the search of a discriminant starts from at most: eigenvectors of
        the ridge, the strongest first, then the strongest feature and group; all by default. Along
        a path the scores of the strength before are one more.
      tol: a larger ``kkt_`` gives a ``ConvergenceWarning``.

    Attributes:
      components_: the coefficients :math:`b_j` of the standardised features, (q, p).
      scalings_: the same for the features as they are, (p, q).
      means_: the means of the features, (p,).
      scores_: the scores :math:`\theta_j` of the classes, (K, q).
      classes_: the labels of the classes, (K,).
      priors_: the probabilities of the classes, (K,).
      objective_: the objective of each discriminant, in [0, 1]; 1 if it is zero.
      kkt_: the largest violation of the conditions of a stationary point, for each discriminant.
      optimum_: ``"global"`` or ``"stationary"``, for each discriminant; given those before it.
      n_iter_: how many scores were tried, for each discriminant.
      n_features_in_: number of features.
      feature_names_in_: their names, if they have any.

    Raises:
      ValueError: in ``fit``, a parameter out of its range.

    Example:
      >>> from sklearn.datasets import load_wine
      >>> from sgl_jax.applications.scoring import SparseOptimalScoring
      >>> x, y = load_wine(return_X_y=True)
      >>> model = SparseOptimalScoring(lam=0.3).fit(x, y)
      >>> (model.components_ != 0).sum(axis=1)
      array([5, 5])
      >>> round(model.score(x, y), 3)
      0.966

    References:
      Clemmensen, Hastie, Witten and Ersbøll, Sparse discriminant analysis, Technometrics 53, 2011;
      Atkins, Einarsson, Clemmensen and Ames, Proximal methods for sparse optimal scoring and
      discriminant analysis, Adv. Data Anal. Classif. 17, 2023.
    """

    def __init__(
        self,
        n_components=None,
        *,
        lam=0.1,
        group_lam=0.0,
        groups=None,
        gamma=1e-3,
        penalty="l1",
        prediction="lda",
        priors=None,
        standardize=True,
        n_starts=None,
        tol=1e-8,
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

    def fit(self, X: Any, y: Any) -> "SparseOptimalScoring":
        """Finds the discriminants.

        Args:
          X: the samples, (n, p); finite numbers.
          y: their classes, at least two.

        Raises:
          ValueError: a parameter out of its range, or samples that no discriminant can be made of.
        """
        x, y = self._validate(X, y)
        prepared = self._prepare(x, y)
        strength = self._strength()
        model = strength.model(prepared.problem)
        found = fit(prepared.problem, model, prepared.count, n_starts=prepared.n_starts)
        self._adopt(prepared, found)
        self._warn()
        return self
