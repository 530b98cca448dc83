"""The last digits of the coefficients, and their certificate."""

import numpy as np
from jaxtyping import Float

from sgl_jax.applications.scoring._b_step import Response
from sgl_jax.applications.scoring._problem import Problem
from sgl_jax.applications.scoring._terms import Terms, group_norms, sharpest_violation
from sgl_jax.applications.scoring._theta_step import full


__all__ = ["find_violation", "refine"]

STEPS = 4
"""Most steps of Newton's method on the support."""

ROUNDING = 1e-14
"""Violation below which no step is taken."""


def refine(
    problem: Problem, terms: Terms, target: Float[np.ndarray, "r"], response: Response
) -> tuple[Float[np.ndarray, "p"], float]:
    """Takes Newton steps on the support as long as they make the violation smaller.

    Args:
      problem: the data.
      terms: the weights of the penalty.
      target: the scores of the samples.
      response: the coefficients, but for rounding.

    Returns:
      The coefficients of all columns, and their violation.
    """
    b = full(problem, response)
    kkt, left = find_violation(problem, terms, target, b)
    for _ in range(STEPS):
        if kkt <= ROUNDING:
            break
        moved = b + _newton(problem, terms, response, b, left)
        better, rest = find_violation(problem, terms, target, moved)
        if not better < kkt or np.any((moved == 0.0) != (b == 0.0)):
            break
        b, kkt, left = moved, better, rest
    return b, kkt


def find_violation(
    problem: Problem, terms: Terms, target: Float[np.ndarray, "r"], b: Float[np.ndarray, "p"]
) -> tuple[float, Float[np.ndarray, "p"]]:
    """Measures the violation of optimality; see :func:`sharpest_violation`."""
    live = np.flatnonzero(b)
    residual = target - problem.x[:, live] @ b[live]
    return sharpest_violation(problem, terms, b, 2.0 / problem.n * (problem.x.T @ residual))


def _newton(problem, terms, response, b, left) -> Float[np.ndarray, "p"]:
    """Solves for the step that makes the difference on the support vanish."""
    live, scale = response.live, problem.n * problem.gamma

    def flatten(v):
        """Multiplies by the derivative of the coefficients, but for its factor."""
        if terms.group is None:
            return v
        norms = group_norms(b, problem.starts)
        alive = norms > 0.0
        level = np.where(alive, terms.group, 0.0)
        length = 2.0 * problem.gamma * norms
        share = length / np.where(alive, length + level, 1.0)
        unit = b / np.repeat(np.where(alive, norms, 1.0), problem.sizes)
        along = (1.0 - share) * np.add.reduceat(unit * v, problem.starts)
        return np.repeat(share, problem.sizes) * v + np.repeat(along, problem.sizes) * unit

    x, on = problem.x[:, live], np.zeros_like(left)
    inner = response.curvature.solve(x @ flatten(left)[live])
    on[live] = left[live] - x.T @ inner / scale
    return flatten(on) / (2.0 * problem.gamma)
