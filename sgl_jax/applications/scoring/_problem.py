"""The data of a fit: standardised columns, and the indicator of the classes."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int


__all__ = ["Columns", "Problem", "make_problem", "measure_columns"]


class Columns(NamedTuple):
    """The constants by which columns are standardised.

    Attributes:
      mean: mean of each column.
      scale: what each column is divided by; 1 for a constant column.
      constant: True for a column that is constant but for rounding.
    """

    mean: Float[np.ndarray, "p"]
    scale: Float[np.ndarray, "p"]
    constant: Bool[np.ndarray, "p"]


class Problem(NamedTuple):
    r"""The data of a fit, in as many rows as the objective can tell apart.

    .. math::
      \tfrac1n \|Y \theta - X b\|^2 + \gamma \|b\|^2 = 1 - (W \theta)^\top b
        + \tfrac1n \|X b\|^2 + \gamma \|b\|^2, \qquad W = \tfrac2n X^\top Y

    depends on inner products of columns only; so the rows are replaced by those of a triangular
    factor where there are more of them than columns.

    Attributes:
      x: the standardised columns, those of a group next to each other.
      y: the indicator of the classes, in the same rows.
      shares: share of the samples that are in each class.
      pull: :math:`W`.
      n: number of samples.
      gamma: strength of the ridge, > 0.
      ridge: the matrix of the quadratic form in :math:`\theta` that is 1 minus the least objective
        without a penalty but the ridge.
      starts: where each group begins; without groups every column is one.
    """

    x: Float[np.ndarray, "r p"]
    y: Float[np.ndarray, "r K"]
    shares: Float[np.ndarray, "K"]
    pull: Float[np.ndarray, "p K"]
    n: int
    gamma: float
    ridge: Float[np.ndarray, "K K"]
    starts: Int[np.ndarray, "G"]

    @property
    def ungrouped(self) -> "Problem":
        """The same with every column a group of its own."""
        return self._replace(starts=np.arange(self.x.shape[1]))

    @property
    def sizes(self) -> Int[np.ndarray, "G"]:
        """Number of features of each group."""
        return np.diff(self.starts, append=self.x.shape[1])

    @property
    def owners(self) -> Int[np.ndarray, "p"]:
        """The group of each column."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)


def measure_columns(x: Float[np.ndarray, "n p"], standardize: bool) -> Columns:
    """Measures mean and standard deviation, with ``n - 1``, of each column.

    Args:
      x: the samples.
      standardize: False leaves the scale of the columns as it is.
    """
    mean = x.mean(0)
    deviation = np.sqrt(np.square(x - mean).sum(0) / (len(x) - 1))
    # The mean of equal numbers is off by rounding, which must not be blown up.
    constant = deviation <= 1e2 * np.finfo(float).eps * np.abs(x).max(0)
    scale = np.where(constant, 1.0, deviation) if standardize else np.ones_like(mean)
    return Columns(mean, scale, constant)


def make_problem(
    x: Float[np.ndarray, "n p"],
    codes: Int[np.ndarray, "n"],
    columns: Columns,
    order: Int[np.ndarray, "p"],
    starts: Int[np.ndarray, "G"],
    gamma: float,
) -> Problem:
    """Standardises the samples and reduces their rows.

    Args:
      x: the samples.
      codes: the class of each, from 0 on, none of them empty.
      columns: the constants of :func:`measure_columns`.
      order: the order in which the columns of a group are next to each other.
      starts: where each group then begins.
      gamma: strength of the ridge.
    """
    n = len(x)
    indicator = np.eye(codes.max() + 1)[codes]
    standard = np.where(columns.constant, 0.0, (x - columns.mean) / columns.scale)
    standard = np.asfortranarray(standard[:, order])
    pull = standard.T @ (2.0 / n * indicator)
    if n > standard.shape[1]:
        basis, triangle = np.linalg.qr(standard)
        standard, reduced = np.asfortranarray(triangle), basis.T @ indicator
    else:
        reduced = indicator
    ridge = _ridge_matrix(standard, reduced, n, gamma)
    return Problem(standard, reduced, indicator.mean(0), pull, n, gamma, ridge, starts)


def _ridge_matrix(x, y, n, gamma) -> Float[np.ndarray, "K K"]:
    gram = x @ x.T
    fitted = gram @ np.linalg.solve(gram + n * gamma * np.eye(len(gram)), y)
    matrix = y.T @ fitted / n
    return 0.5 * (matrix + matrix.T)
