"""One discriminant after the other, each from all starts."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from sgl_jax.applications.scoring._models import Model
from sgl_jax.applications.scoring._problem import Problem
from sgl_jax.applications.scoring._refine import find_violation, refine
from sgl_jax.applications.scoring._starts import list_starts
from sgl_jax.applications.scoring._theta_step import Point, complement, evaluate, full


__all__ = ["Discriminant", "fit"]

TIE = 1e-10
"""Least excess of the end of an earlier start over that of a later one that replaces it."""

COARSE = 1e-2
"""Length of a step of Newton's method at which starts are compared."""

SLACK = 1e-4
"""Largest excess over the lowest start, at the comparison, of those that are climbed to the end."""

SAME = 1e-6
"""Difference of 1 and the cosine of the angle of scores that end at the same place."""


class Start(NamedTuple):
    """Scores that a search started from, or ended at, and the residual there."""

    theta: Float[np.ndarray, "K"]
    residual: Float[np.ndarray, "r"]


class Discriminant(NamedTuple):
    """Scores of the classes and coefficients of the columns, with their certificate.

    Attributes:
      theta: the scores.
      b: the coefficients.
      objective: the least objective that was found.
      kkt: the largest violation of the conditions of a stationary point.
      is_global: True if the conditions are those of the least objective, given the discriminants
        before.
      steps: how many scores were tried.
      starts: the starts, and in the end the scores themselves, for the next strength.
    """

    theta: Float[np.ndarray, "K"]
    b: Float[np.ndarray, "p"]
    objective: float
    kkt: float
    is_global: bool
    steps: int
    starts: list[Start]


def fit(
    problem: Problem,
    model: Model,
    count: int,
    before: list[Discriminant] | None = None,
    n_starts: int | None = None,
) -> list[Discriminant]:
    """Finds the discriminants, each given those before it.

    Args:
      problem: the data.
      model: the penalty.
      count: number of discriminants.
      before: the discriminants of a strength nearby, to start from, too.
      n_starts: how many fixed starts each discriminant has at most; all by default.
    """
    root = np.sqrt(problem.shares)
    basis = complement(root) / root[:, None]
    found = []
    for k in range(count):
        known = before[k].starts if before is not None else []
        begun = _begin(problem, model, basis, list_starts(problem, basis, n_starts), known)
        ends, steps = _climb(problem, model, problem.y @ basis, begun)
        best = ends[0]
        for end in ends[1:]:
            best = end if end.objective < best.objective - TIE else best
        done = _finish(problem, model, basis, best)
        starts = [Start(basis @ point.z, point.response.residual) for point in begun]
        starts = [*starts[: len(starts) - (len(known) > 1)], Start(*_end(basis, best))]
        starts = starts if basis.shape[1] > 1 else starts[-1:]
        found.append(done._replace(steps=steps, starts=starts))
        basis = basis @ complement(best.z)
    return found


def _end(basis, best):
    return basis @ best.z, best.response.residual


def _begin(problem, model, basis, starts, known) -> list[Point]:
    """Finds the coefficients at each start, and at the scores of the strength before."""
    terms = model.terms(problem, np.zeros(problem.x.shape[1]))
    free, weighted = problem.y @ basis, problem.shares[:, None] * basis
    residuals = [free @ z for z in starts]
    for k, (theta, residual) in enumerate(known):
        z = theta @ weighted
        if k == len(starts):
            starts = [*starts, z / np.linalg.norm(z)]
            residuals.append(residual)
        residuals[k] = residual if z @ starts[k] > 0 else -residual
    return [evaluate(problem, terms, free, *start) for start in zip(starts, residuals, strict=True)]


def _climb(problem, model, free, begun) -> tuple[list[Point], int]:
    """Climbs from every start, to the end only where no other start ends or is lower."""
    near = [model.climb(problem, free, point, COARSE) for point in begun]
    lowest = min(point.objective for point in near)
    ends, steps = [], 0
    for point in near:
        same = any(abs(point.z @ end.z) > 1.0 - SAME for end in ends)
        if not same and point.objective <= lowest + SLACK:
            point = model.climb(problem, free, point)
            ends.append(point)
        steps += point.steps
    return ends, steps


def _finish(problem: Problem, model: Model, basis, point: Point) -> Discriminant:
    """Fixes the last digits, the sign and the certificate."""
    theta = basis @ point.z
    terms = model.terms(problem, full(problem, point.response))
    b, kkt = refine(problem, terms, problem.y @ theta, point.response)
    if not model.convex:  # the convex penalty that touches it has moved
        kkt, _ = find_violation(problem, model.terms(problem, b), problem.y @ theta, b)
    largest = np.argmax(np.abs(b))
    sign = np.copysign(1.0, b[largest] if b[largest] != 0.0 else theta[0])
    is_global = model.convex and len(point.z) == 1
    objective = _objective(problem, model, theta, b)
    return Discriminant(sign * theta, sign * b, objective, max(kkt, point.gap), is_global, 0, [])


def _objective(problem: Problem, model: Model, theta, b) -> float:
    live = np.flatnonzero(b)
    fitted = problem.x[:, live] @ b[live]
    smooth = fitted @ fitted / problem.n + problem.gamma * (b @ b)
    gain = (problem.pull[live] @ theta) @ b[live]
    return float(1.0 - gain + smooth + model.value(problem, b))
