"""The two kinds of penalties that a fit can have, by how they climb from a start."""

import abc

import numpy as np
from jaxtyping import Float

from sgl_jax.applications.scoring._problem import Problem
from sgl_jax.applications.scoring._terms import Terms, value
from sgl_jax.applications.scoring._theta_step import CLOSE, Point, ascend


__all__ = ["Convex", "Model"]


class Model(abc.ABC):
    """A penalty of the coefficients.

    Attributes:
      convex: True if the coefficients that are optimal for given scores are unique.
    """

    convex: bool

    @abc.abstractmethod
    def terms(self, problem: Problem, b: Float[np.ndarray, "p"]) -> Terms:
        """Finds the convex penalty that touches the penalty at ``b``, and is above it elsewhere."""

    @abc.abstractmethod
    def value(self, problem: Problem, b: Float[np.ndarray, "p"]) -> float:
        """Computes the penalty."""

    @abc.abstractmethod
    def climb(
        self, problem: Problem, free: Float[np.ndarray, "r m"], point: Point, close: float = CLOSE
    ) -> Point:
        """Goes on from a point of :meth:`terms` at zero to a stationary one, never to a worse."""


class Convex(Model):
    """An l1 norm of the entries, and norms of groups."""

    convex = True

    def __init__(self, terms: Terms):
        self._terms = terms

    def terms(self, problem: Problem, b: Float[np.ndarray, "p"]) -> Terms:
        return self._terms

    def value(self, problem: Problem, b: Float[np.ndarray, "p"]) -> float:
        live = np.flatnonzero(b)
        return value(problem, self._terms, live, b[live])

    def climb(
        self, problem: Problem, free: Float[np.ndarray, "r m"], point: Point, close: float = CLOSE
    ) -> Point:
        return ascend(problem, self._terms, free, point, close)
