r"""Nonconvex penalties: a convex majorant after the other, and exchanges of single blocks.

A penalty that is concave in a magnitude lies below its tangents, so a weighted (group) lasso
touches it at the coefficients at hand and is above it elsewhere. Its fit never raises the
objective, and where the weights repeat, the conditions of a stationary point hold. As zeros with a
slope that is infinite would stay zero for ever, and others may be far from the best, the exact prox
of each block, an entry or a group, is compared with what the block is. While one would lower the
objective, the best of them takes its place.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import sgl_jax as sgl
from sgl_jax.applications.scoring._models import Model
from sgl_jax.applications.scoring._problem import Problem
from sgl_jax.applications.scoring._terms import Terms, group_norms, value
from sgl_jax.applications.scoring._theta_step import CLOSE, Point, ascend, evaluate, full


__all__ = ["Concave", "largest_curvature", "with_strength"]

ROUNDS = 2_000
"""Most majorants between two exchanges."""

SETTLED = 1e-11
"""Largest change of a weight after which a majorant counts as the penalty."""

GAIN = 1e-10
"""Least decrease of the objective by an exchange."""


def with_strength(penalty: sgl.NormPenalty, lam: float) -> sgl.NormPenalty:
    """Gives a penalty another strength."""
    return dataclasses.replace(penalty, lam=float(lam))  # pyrefly: ignore


@jax.jit
def _phi(penalty: sgl.NormPenalty, t: Float[Array, "k"]) -> Float[Array, "k"]:
    return penalty.phi(t)


@jax.jit
def _slope(penalty: sgl.NormPenalty, t: Float[Array, "k"]) -> Float[Array, "k"]:
    return penalty.slope_phi(t)


@jax.jit
def _prox(
    penalty: sgl.NormPenalty, t: Float[Array, "k"], step: Float[Array, "k"]
) -> Float[Array, "k"]:
    return penalty.prox_phi(t, step)


@jax.jit
def _joint_prox(
    regularizer: sgl.SparseGroup, b: Float[Array, "p"], metric: Float[Array, "p"]
) -> Float[Array, "p"]:
    return regularizer.prox({"b": b}, 1.0, {"b": metric})["b"]


def _in_double(function, first, *arrays) -> np.ndarray:
    """Calls a function of JAX in double precision, whatever the setting of the process."""
    with jax.enable_x64(True):
        return np.asarray(function(first, *(jnp.asarray(array, float) for array in arrays)))


def largest_curvature(problem: Problem) -> Float[np.ndarray, "k"]:
    """Finds the largest curvature of the smooth part of the objective on each entry or group."""
    if len(problem.starts) == problem.x.shape[1]:
        squares = np.square(problem.x).sum(0)
    else:
        blocks = np.split(problem.x, problem.starts[1:], axis=1)
        squares = np.array([np.linalg.norm(block, 2) ** 2 for block in blocks])
    return 2.0 * (squares / problem.n + problem.gamma)


class Concave(Model):
    """A penalty of the magnitudes of entries, of the norms of groups, or of both.

    Args:
      problem: the data.
      entry: the penalty of an entry, or ``None``.
      group: the penalty of a norm, times the square root of the size of the group, or ``None``.
    """

    convex = False

    def __init__(
        self, problem: Problem, entry: sgl.NormPenalty | None, group: sgl.NormPenalty | None
    ):
        self._entry, self._group = entry, group
        problem = problem.ungrouped if group is None else problem
        self._starts, curvature = problem.starts, largest_curvature(problem)
        self._sizes = problem.sizes
        self._curvature = np.repeat(curvature, self._sizes)
        self._weights = np.sqrt(self._sizes)
        owners = tuple(problem.owners.tolist())
        member = sgl.Member("b", (len(owners),), (), owners)
        self._groups = sgl.Groups((sgl.GroupFamily((member,)),))

    def terms(self, problem: Problem, b: Float[np.ndarray, "p"]) -> Terms:
        entry = np.zeros_like(b)
        if self._entry is not None:
            entry = _in_double(_slope, self._entry, np.abs(b))
        if self._group is None:
            return Terms(entry, None)
        norms = group_norms(b, self._starts)
        return Terms(entry, self._weights * _in_double(_slope, self._group, norms))

    def value(self, problem: Problem, b: Float[np.ndarray, "p"]) -> float:
        return float(self._blockwise(b).sum())

    def climb(
        self, problem: Problem, free: Float[np.ndarray, "r m"], point: Point, close: float = CLOSE
    ) -> Point:
        while True:
            point = self._settle(problem, free, point)
            b = self._exchange(problem, free @ point.z, full(problem, point.response))
            if b is None:
                break
            terms = self.terms(problem, b)
            residual = free @ point.z - problem.x @ b
            point = evaluate(problem, terms, free, point.z, residual, point.steps + 1)
        response, b = point.response, full(problem, point.response)
        linear = value(problem, self.terms(problem, b), response.live, response.coefficients)
        return point._replace(objective=point.objective - linear + self.value(problem, b))

    def _settle(self, problem: Problem, free: Float[np.ndarray, "r m"], point: Point) -> Point:
        """Fits majorants until their weights repeat."""
        terms = self.terms(problem, full(problem, point.response))
        for _ in range(ROUNDS):
            residual, steps = point.response.residual, point.steps
            point = evaluate(problem, terms, free, point.z, residual)
            point = ascend(problem, terms, free, point)
            point = point._replace(steps=steps + point.steps)
            before, live = terms, point.response.live
            terms = self.terms(problem, full(problem, point.response))
            if _largest_change(before, terms, live, problem) <= SETTLED:
                break
        return point

    def _exchange(
        self, problem: Problem, target: Float[np.ndarray, "r"], b: Float[np.ndarray, "p"]
    ) -> Float[np.ndarray, "p"] | None:
        """Replaces the block whose prox lowers the objective most; ``None`` if none does."""
        x = 2.0 / problem.n * (problem.x.T @ (target - problem.x @ b))
        slope = 2.0 * problem.gamma * b - x
        moved = self._prox(b - slope / self._curvature)
        change = moved - b
        smooth = np.add.reduceat((slope + 0.5 * self._curvature * change) * change, self._starts)
        gain = self._blockwise(b) - self._blockwise(moved) - smooth
        best = int(np.argmax(gain))
        if gain[best] <= GAIN:
            return None
        block = slice(self._starts[best], self._starts[best] + self._sizes[best])
        b = b.copy()
        b[block] = moved[block]
        return b

    def _blockwise(self, b: Float[np.ndarray, "p"]) -> Float[np.ndarray, "k"]:
        """Computes the penalty of each block."""
        found = np.zeros(len(self._sizes))
        if self._entry is not None:
            found += np.add.reduceat(_in_double(_phi, self._entry, np.abs(b)), self._starts)
        if self._group is not None:
            norms = group_norms(b, self._starts)
            found += self._weights * _in_double(_phi, self._group, norms)
        return found

    def _prox(self, u: Float[np.ndarray, "p"]) -> Float[np.ndarray, "p"]:
        """Minimises the penalty plus the square of the distance in the metric of the curvature."""
        if self._group is None:
            return _in_double(_prox, self._entry, u, 1.0 / self._curvature)
        if self._entry is not None:
            both = sgl.SparseGroup(self._entry, self._group, self._groups)
            return _in_double(_joint_prox, both, u, self._curvature)
        norms = group_norms(u, self._starts)
        step = self._weights / self._curvature[self._starts]
        share = _in_double(_prox, self._group, norms, step) / np.where(norms > 0, norms, 1.0)
        return np.repeat(share, self._sizes) * u


def _largest_change(before: Terms, after: Terms, live, problem: Problem) -> float:
    """Finds the largest difference of two weights of what is not zero."""
    change = np.abs(after.entry[live] - before.entry[live]).max(initial=0.0)
    if after.group is None or before.group is None:
        return float(change)
    alive = np.unique(problem.owners[live])
    groups = np.abs(after.group[alive] - before.group[alive]).max(initial=0.0)
    return float(max(change, groups))
