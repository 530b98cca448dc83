r"""Scores and coefficients together: ascent on a sphere, by Newton's method where it is concave.

For a basis :math:`B` of the scores that are still free, orthonormal in the inner product of the
class shares, let :math:`h(z)` be 1 minus the least objective of the scores :math:`B z`. It is a
maximum of linear functions of :math:`z`, so it is convex, and alternation, which puts
:math:`\nabla h / \|\nabla h\|` in the place of :math:`z`, never lowers it. Its two derivatives
follow from the coefficients,

.. math::
  \nabla h = B^\top W^\top b, \qquad
  \nabla^2 h = \tfrac2n T^\top (I - H^{-1}) T, \qquad T = Y B,

with the curvature :math:`H` of the step of the coefficients, so that Newton's method on the sphere
takes over where alternation is slow.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from sgl_jax.applications.scoring._b_step import Response, respond
from sgl_jax.applications.scoring._problem import Problem
from sgl_jax.applications.scoring._terms import Terms, value


__all__ = ["CLOSE", "Point", "ascend", "complement", "evaluate", "full"]

STEPS = 500
"""Most steps."""

CLOSE = 1e-10
"""Length of a step of Newton's method that leaves an error of its square."""

LONGEST = 0.15
"""Longest step of Newton's method, on a sphere of radius 1."""

TINY = 1e-8
"""Length of a step of Newton's method that fails because of rounding alone."""

SAME = 1e-12
"""Difference of two objectives that is rounding."""

ROUNDING = 1e-14
"""Length of a step that is rounding."""


class Point(NamedTuple):
    """Scores with their optimal coefficients.

    Attributes:
      z: the scores in the basis, of length 1.
      response: the coefficients.
      pull: gradient of ``h``.
      objective: 1 minus ``h``.
      steps: how many scores were tried.
    """

    z: Float[np.ndarray, "m"]
    response: Response
    pull: Float[np.ndarray, "m"]
    objective: float
    steps: int

    @property
    def is_pulled(self) -> bool:
        """True if the coefficients prefer some scores to others that are free.

        False in one dimension, where scores differ by the sign alone, and for coefficients that are
        zero, or mere rounding.
        """
        return len(self.z) > 1 and len(self.response.live) > 0 and bool(self.pull.any())

    @property
    def gap(self) -> float:
        """Distance of the scores from those that are optimal for the coefficients."""
        if not self.is_pulled:
            return 0.0
        return _length(_normalised(self.pull) - self.z)


def complement(z: Float[np.ndarray, "m"]) -> Float[np.ndarray, "m m-1"]:
    """Finds an orthonormal basis of what is orthogonal to a unit vector, by a reflection."""
    normal = z.copy()
    normal[0] += np.copysign(1.0, z[0])
    reflection = np.eye(len(z)) - np.outer(normal, normal) * (2.0 / (normal @ normal))
    return reflection[:, 1:]


def full(problem: Problem, response: Response) -> Float[np.ndarray, "p"]:
    """Writes the coefficients of all columns."""
    b = np.zeros(problem.x.shape[1])
    b[response.live] = response.coefficients
    return b


def evaluate(
    problem: Problem,
    terms: Terms,
    free: Float[np.ndarray, "r m"],
    z: Float[np.ndarray, "m"],
    residual: Float[np.ndarray, "r"],
    steps: int = 1,
) -> Point:
    """Finds the coefficients for scores, and the objective.

    Args:
      problem: the data.
      terms: the weights of the penalty.
      free: the scores of the samples that are free, a basis of them.
      z: the scores in that basis, of length 1.
      residual: where the step of the coefficients starts.
      steps: how many scores were tried before, and these.
    """
    target = free @ z
    response = respond(problem, terms, target, residual)
    fitted, b = target - response.residual, response.coefficients
    pull = 2.0 / problem.n * (free.T @ fitted)
    penalty = value(problem, terms, response.live, b) + problem.gamma * (b @ b)
    objective = 1.0 - z @ pull + fitted @ fitted / problem.n + penalty
    return Point(z, response, pull, float(objective), steps)


def ascend(
    problem: Problem,
    terms: Terms,
    free: Float[np.ndarray, "r m"],
    point: Point,
    close: float = CLOSE,
) -> Point:
    """Finds scores and coefficients each of which is optimal for the other.

    Args:
      problem: the data.
      terms: the weights of the penalty.
      free: the scores of the samples that are free, a basis of them.
      point: where to start.
      close: length of a step of Newton's method after which the search ends.
    """
    radius = LONGEST
    while point.is_pulled and point.steps < STEPS:
        solved = point.response.curvature.solve(free)
        step, concave = _newton(problem, point, free, solved)
        power = _normalised(point.pull) - point.z
        length = _length(step)
        shortened = step * min(1.0, radius / length) if length > 0 else step
        safe = radius <= _length(power)
        goal = _normalised(point.z + (power if safe else shortened))
        ahead = point.response.residual + solved @ (goal - point.z)
        tried = evaluate(problem, terms, free, goal, ahead, point.steps + 1)
        moved = _length(goal - point.z)
        if not safe and not _is_better(tried, point):
            if concave and moved <= TINY:
                break
            radius, point = 0.25 * moved, point._replace(steps=tried.steps)
            continue
        radius, point = min(max(radius, 2.0 * moved), LONGEST), tried
        if moved <= (close if concave and not safe else ROUNDING):
            break
    return point


def _is_better(tried: Point, point: Point) -> bool:
    """Compares two points by their objectives, and where these are equal by the gaps."""
    gain = point.objective - tried.objective
    return gain > SAME or (gain >= -SAME and tried.gap < point.gap)


def _normalised(z: Float[np.ndarray, "m"]) -> Float[np.ndarray, "m"]:
    return z / _length(z)


def _length(z: Float[np.ndarray, "m"]) -> float:
    return math.sqrt(z @ z)


def _newton(
    problem: Problem, point: Point, free: Float[np.ndarray, "r m"], solved: Float[np.ndarray, "r m"]
) -> tuple[Float[np.ndarray, "m"], bool]:
    """Finds an ascent: Newton's step with every curvature taken as concave.

    Returns:
      The step in the tangent space, and whether all curvatures are concave.
    """
    z, length = point.z, point.z @ point.pull
    tangent = complement(z)
    bend = 2.0 / problem.n * (free.T @ (free - solved))
    values, vectors = np.linalg.eigh(tangent.T @ bend @ tangent)
    curvatures = values - length
    axes = tangent @ vectors
    step = axes @ ((axes.T @ point.pull) / np.maximum(np.abs(curvatures), 1e-3 * length))
    return step, bool(curvatures[-1] < 0)
