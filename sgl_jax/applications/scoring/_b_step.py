r"""The coefficients for given scores: Newton's method on a system of as many equations as rows.

With :math:`x = \tfrac2n X^\top r` and :math:`b(x)` the minimiser of
:math:`\gamma \|b\|^2 + P(b) - x^\top b`, which is a formula, the coefficients are optimal if and
only if the residual :math:`r = Y\theta - X b` satisfies

.. math:: r + X\, b(\tfrac2n X^\top r) = Y \theta.

The left side is the gradient of a strongly convex function, and piecewise smooth, so that Newton's
method with a line search converges from any start; without groups it is piecewise linear, and the
method ends after finitely many steps.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg.lapack import dpotrf, dpotrs

from sgl_jax.applications.scoring._problem import Problem
from sgl_jax.applications.scoring._terms import (
    Terms,
    find_live,
    group_norms,
    keep_share,
    restrict,
    shrink,
    soft,
)


__all__ = ["Curvature", "Response", "respond"]

STEPS = 200
"""Most steps of Newton's method."""

NEAR = 0.8
"""Share of its weights above which a column is taken into the system at once."""

ACCURACY = 1e-13
"""Largest entry of the difference of both sides, relative to the right one."""

UNRELATED = 1e-12
"""Largest correlation of a column with scores that is rounding."""


class Curvature(NamedTuple):
    r"""The derivative :math:`I + F F^\top / (n \gamma)` of the left side, factorised.

    Attributes:
      columns: :math:`F`, a column for each nonzero entry and one for each live group.
      factor: Cholesky factor of :math:`n \gamma I` plus the smaller of :math:`F F^\top` and
        :math:`F^\top F`.
      scale: :math:`n \gamma`.
    """

    columns: Float[np.ndarray, "r m"]
    factor: Float[np.ndarray, "k k"]
    scale: float

    def solve(self, right: np.ndarray) -> np.ndarray:
        """Solves for one right side, or for each column of several."""
        rows, count = self.columns.shape
        if count == 0:
            return right
        if count < rows:  # by Woodbury's identity
            inner = dpotrs(self.factor, self.columns.T @ right, lower=1)[0]
            return right - self.columns @ inner.reshape(count, *right.shape[1:])
        return self.scale * dpotrs(self.factor, right, lower=1)[0].reshape(right.shape)


class Response(NamedTuple):
    """The optimal coefficients, and what the step of the scores asks of them.

    Attributes:
      residual: what the coefficients leave of the scores of the samples.
      live: the nonzero entries, ascending.
      coefficients: their values.
      curvature: the derivative of the system there.
    """

    residual: Float[np.ndarray, "r"]
    live: Int[np.ndarray, "k"]
    coefficients: Float[np.ndarray, "k"]
    curvature: Curvature


def respond(
    problem: Problem, terms: Terms, target: Float[np.ndarray, "r"], residual: Float[np.ndarray, "r"]
) -> Response:
    """Finds the coefficients that are optimal for given scores.

    Columns that are far from having a coefficient are left out, and compared in the end. Scores
    that no column is correlated with, as those of a discriminant beyond the rank of the data, have
    no coefficient.

    Args:
      problem: the data.
      terms: the weights of the penalty.
      target: the scores of the samples.
      residual: where to start.
    """
    if np.abs(problem.x.T @ target).max(initial=0.0) <= UNRELATED * problem.n:
        none = problem.x[:, :0]
        curvature = _factorise(none, problem.n * problem.gamma)
        return Response(target, np.zeros(0, int), np.zeros(0), curvature)
    back = 2.0 / problem.n
    x = back * (problem.x.T @ residual)
    near = find_live(problem, terms, x, NEAR)
    while True:
        part, of_part = restrict(problem, terms, near)
        response = _respond(part, of_part, target, residual, x[near])
        residual = response.residual
        x = back * (problem.x.T @ residual)
        missed = np.zeros(len(x), bool)
        missed[find_live(problem, terms, x, 1.0)] = True
        missed[near] = False
        if not missed.any():
            return response._replace(live=near[response.live])
        near = np.union1d(near, find_live(problem, terms, x, NEAR))


class Point(NamedTuple):
    """A residual of Newton's method, with the coefficients there.

    Attributes:
      residual: the residual.
      x: the correlations of the columns with it, times 2 / n.
      live: the nonzero entries, ascending.
      coefficients: their values.
      columns: the columns of the derivative; see :class:`Curvature`.
      gap: difference of the two sides of the equation.
    """

    residual: Float[np.ndarray, "r"]
    x: Float[np.ndarray, "p"]
    live: Int[np.ndarray, "k"]
    coefficients: Float[np.ndarray, "k"]
    columns: Float[np.ndarray, "r m"]
    gap: Float[np.ndarray, "r"]


def _respond(
    problem: Problem,
    terms: Terms,
    target: Float[np.ndarray, "r"],
    residual: Float[np.ndarray, "r"],
    x: Float[np.ndarray, "p"],
) -> Response:
    """Solves for the residual by Newton's method."""
    enough, before, steps = ACCURACY * np.abs(target).max(initial=1.0), np.inf, 0
    point = _visit(problem, terms, target, residual, x)
    while True:
        curvature = _factorise(point.columns, problem.n * problem.gamma)
        worst = np.abs(point.gap).max(initial=0.0)
        rounding = worst <= 1e4 * enough and worst >= 0.5 * before
        if worst <= enough or rounding or steps == STEPS:
            return Response(point.residual, point.live, point.coefficients, curvature)
        before, steps = worst, steps + 1
        step = -curvature.solve(point.gap)
        moved = 2.0 / problem.n * (problem.x.T @ step)
        full = _visit(problem, terms, target, point.residual + step, point.x + moved)
        size = _search(problem, terms, target, point, (step, moved), full.gap @ step)
        ahead = point.residual + size * step, point.x + size * moved
        point = full if size == 1.0 else _visit(problem, terms, target, *ahead)


def _visit(
    problem: Problem,
    terms: Terms,
    target: Float[np.ndarray, "r"],
    residual: Float[np.ndarray, "r"],
    x: Float[np.ndarray, "p"],
) -> Point:
    """Computes the coefficients at a residual, and the difference of the two sides."""
    live, coefficients, fitted, columns = _linearise(problem, terms, x)
    return Point(residual, x, live, coefficients, columns, residual + fitted - target)


def _linearise(
    problem: Problem, terms: Terms, x: Float[np.ndarray, "p"]
) -> tuple[Int[np.ndarray, "k"], np.ndarray, Float[np.ndarray, "r"], Float[np.ndarray, "r m"]]:
    """Finds the nonzero coefficients, what they add up to, and the columns of their derivative."""
    b = soft(x, terms.entry)
    if terms.group is None:
        live = b.nonzero()[0]
        coefficients, columns = b[live] / (2.0 * problem.gamma), problem.x[:, live]
        return live, coefficients, columns @ coefficients, columns
    norms = group_norms(b, problem.starts)
    share = keep_share(norms, terms.group)
    owners = problem.owners
    live = np.flatnonzero(b * share[owners])
    owner = owners[live]
    columns = problem.x[:, live]
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    along = np.add.reduceat(columns * (b[live] / norms[owner]), first, axis=1)
    radial = along * np.sqrt(1.0 - share[owner[first]])
    coefficients = b[live] * share[owner] / (2.0 * problem.gamma)
    spread = columns * np.sqrt(share[owner])
    return live, coefficients, columns @ coefficients, np.hstack([spread, radial])


def _factorise(columns: Float[np.ndarray, "r m"], scale: float) -> Curvature:
    """Factorises the smaller of the two Gram matrices."""
    rows, count = columns.shape
    gram = columns.T @ columns if count < rows else columns @ columns.T
    gram.flat[:: len(gram) + 1] += scale
    return Curvature(columns, dpotrf(gram.T, lower=1, overwrite_a=1)[0] if count else gram, scale)


def _search(problem, terms, target, point, moves, at_full) -> float:
    """Finds a step at which the slope of the convex function along a line is nearly zero.

    Args:
      problem: the data.
      terms: the weights of the penalty.
      target: the scores of the samples.
      point: where the line starts.
      moves: the whole step of the residual, and that of the correlations.
      at_full: the slope after the whole step.
    """
    (step, moved), rest = moves, point.residual - target

    def slope_at(size):
        b = shrink(problem, terms, point.x + size * moved)
        return step @ (rest + size * step) + 0.5 * problem.n * (moved @ b)

    slope = point.gap @ step
    low, at_low, high, at_high = 0.0, slope, 1.0, at_full
    while at_high < 0.5 * slope:
        low, at_low, high = high, at_high, 2.0 * high
        at_high = slope_at(high)
    size, found = high, at_high
    while abs(found) > -0.5 * slope and high - low > 1e-12 * high:
        share = at_low / (at_low - at_high)
        size = low + (high - low) * min(max(share, 0.1), 0.9)
        found = slope_at(size)
        low, at_low, high, at_high = (
            (size, found, high, at_high) if found < 0 else (low, at_low, size, found)
        )
    return size
