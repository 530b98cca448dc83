"""The strengths of a fit: the model that they make, and the largest that is of use."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

import sgl_jax as sgl
from sgl_jax.applications.scoring._concave import Concave, largest_curvature, with_strength
from sgl_jax.applications.scoring._models import Convex, Model
from sgl_jax.applications.scoring._problem import Problem
from sgl_jax.applications.scoring._starts import pull_norms
from sgl_jax.applications.scoring._terms import Terms, group_norms, soft
from sgl_jax.applications.scoring._theta_step import complement


__all__ = ["Strength", "find_largest"]

HALVINGS = 60


class Strength(NamedTuple):
    """A penalty with the strengths of its two parts.

    Attributes:
      penalty: how an entry and a norm shrink; its own strength counts for nothing.
      lam: strength on the entries.
      group_lam: strength on the norms of the groups.
    """

    penalty: sgl.NormPenalty
    lam: float
    group_lam: float

    def times(self, factor: float) -> "Strength":
        """Multiplies both strengths."""
        return self._replace(lam=self.lam * factor, group_lam=self.group_lam * factor)

    def model(self, problem: Problem) -> Model:
        """Makes the model of the penalty for the columns of a problem."""
        if isinstance(self.penalty, sgl.L1) or self.lam == self.group_lam == 0:
            entry = np.full(problem.x.shape[1], float(self.lam))
            groups = self.group_lam > 0
            return Convex(Terms(entry, self.group_lam * np.sqrt(problem.sizes) if groups else None))
        parts = [
            with_strength(self.penalty, lam) if lam > 0 else None
            for lam in (self.lam, self.group_lam)
        ]
        return Concave(problem, *parts)


def find_largest(problem: Problem, strength: Strength) -> float:
    """Finds the least multiple of the strengths at which zero is stationary, whatever the scores.

    Args:
      problem: the data.
      strength: at least one of its strengths is positive.

    Returns:
      The multiple; for an l1 penalty of entries and groups together with three classes or more an
      upper bound of it.
    """
    root = np.sqrt(problem.shares)
    basis = complement(root) / root[:, None]
    entries, groups = problem.ungrouped, problem
    bounds = []
    if strength.lam > 0:
        norms = pull_norms(entries, basis)[0]
        bounds.append(_of_norms(entries, strength.penalty, norms, np.ones(1)) / strength.lam)
    if strength.group_lam > 0:
        norms = pull_norms(groups, basis)[0]
        sizes = np.sqrt(problem.sizes)
        bounds.append(_of_norms(groups, strength.penalty, norms, sizes) / strength.group_lam)
    joint = len(bounds) == 2 and basis.shape[1] == 1 and isinstance(strength.penalty, sgl.L1)
    bound = min(bounds)
    return _bisect(problem, strength, problem.pull @ basis[:, 0], bound) if joint else bound


def _of_norms(problem, penalty, norms, weights) -> float:
    """Finds the least strength at which the prox of every block is zero.

    Args:
      norms: largest norms of the gradient of a block, divided by its weight.
      weights: weights of the blocks.
    """
    if isinstance(penalty, sgl.L1):
        return float(norms.max())
    curvature = largest_curvature(problem)
    with jax.enable_x64(True):
        distances = jnp.asarray(norms * weights / curvature)
        steps = jnp.asarray(weights / curvature)
        found = np.asarray(penalty.lam_max_phi(jnp.where(distances > 0, distances, 1.0), steps))
    return float(np.where(norms > 0, found, 0.0).max())


def _bisect(
    problem: Problem, strength: Strength, pull: Float[np.ndarray, "p"], high: float
) -> float:
    """Finds the multiple at which the last group becomes zero for the only scores there are."""
    low, level = 0.0, strength.group_lam * np.sqrt(problem.sizes)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        left = soft(pull, np.full_like(pull, middle * strength.lam))
        dead = np.all(group_norms(left, problem.starts) <= middle * level)
        low, high = (low, middle) if dead else (middle, high)
    return high
