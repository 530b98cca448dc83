"""Beams for given pairs, by the fast path, and by the sure one where that leaves a gap."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_batching import sequential_vmap
from jaxtyping import Array, Bool, Complex, Float, Int

from sgl_jax.applications._trees import choose
from sgl_jax.applications.beamforming._problem import Point, Problem
from sgl_jax.applications.beamforming._relaxation import Relaxed, relax
from sgl_jax.applications.beamforming._saddle import iterate


__all__ = ["FINE", "ROUGH", "Effort", "Solved", "solve_pairs"]


class Effort(NamedTuple):
    """Limits of the work on a solution; traced numbers, so that one program serves all.

    Attributes:
      checks: certificates of the fast path at most.
      tolerance: relative gap between bound and beams at which it stops.
      rounds: relaxations of the sure path at most; those after the first are DC rounds.
      accepted: relative gap with which the sure path is not needed.
    """

    checks: int
    tolerance: float
    rounds: int
    accepted: float


FINE = Effort(checks=40, tolerance=2e-8, rounds=30, accepted=2e-8)
ROUGH = Effort(checks=6, tolerance=3e-3, rounds=1, accepted=0.1)
PULL = 1.25  # of the cost of a watt: the weight of the distance to rank one
GROWTH = 1.5  # of that weight, from round to round
RANK_ONE = 1e-6
SETTLED = 1e-4  # relative: rounds of rank one end where they gain less


class Solved(NamedTuple):
    """Beams for given pairs.

    Attributes:
      beams: (K, n); zero if none are known to meet the targets.
      upper: their cost, infinite if there are none.
      lower: a lower bound of the cost.
      rank_gap: that of the relaxation; 0 where the fast path closed the gap.
      point: where the fast path ended, to go on from.
      mixture: multipliers of the ellipsoids, with 1 in the corners, (K, m + 1, m + 1).
      prices: of the targets, (K,).
      limits: prices of the limits, (N,).
      count: certificates and relaxations.
    """

    beams: Complex[Array, "K n"]
    upper: Float[Array, ""]
    lower: Float[Array, ""]
    rank_gap: Float[Array, ""]
    point: Point
    mixture: Complex[Array, "K w w"]
    prices: Float[Array, " K"]
    limits: Float[Array, " N"]
    count: Int[Array, ""]


def pure(u: Complex[Array, "K m"]) -> Complex[Array, "K w w"]:
    """Writes channels as mixtures of one."""
    longer = jnp.pad(u, ((0, 0), (0, 1)), constant_values=1.0)
    return longer[:, :, None] * longer[:, None].conj()


@jax.jit  # so that methods share its trace
def solve_pairs(
    problem: Problem, point: Point, effort: Effort, cutoff: Float[Array, ""] | float = jnp.inf
) -> Solved:
    """Finds beams of least cost on the pairs that are on.

    Args:
      problem: the problem.
      point: where to start.
      effort: what it may cost.
      cutoff: a cost; solutions that cost more are of no use, and need not be found.
    """
    cap = jnp.max(jnp.where(problem.mask > 0, problem.cost, 0.0)) * jnp.sum(problem.pmax)
    cutoff = jnp.minimum(cap * (1.0 + 1e-6), cutoff)
    fast = iterate(problem, point, effort, cutoff)
    fast_solved = Solved(
        fast.beams,
        fast.upper,
        fast.lower,
        jnp.zeros(()),
        fast.point,
        pure(fast.best.u),
        fast.best.prices,
        fast.best.limits,
        fast.checks,
    )
    gap = fast.upper - fast.lower
    closed = (gap <= effort.accepted * fast.upper) & jnp.isfinite(fast.upper)
    return _sure(problem, fast_solved, effort, ~closed & (fast.lower < cutoff))


@sequential_vmap
def _sure(problem: Problem, fast: Solved, effort: Effort, needed: Bool[Array, ""]) -> Solved:
    """Takes the sure path where it is needed; lanes take turns, and the others cost nothing."""
    return jax.lax.cond(needed, lambda: _rescue(problem, fast, effort), lambda: fast)


class Rounds(NamedTuple):
    """Relaxations on the way to rank one.

    Attributes:
      solved: the best beams so far, and the bound of the first relaxation.
      towards: principal directions of the last one, (K, n).
      weight: of the distance from those directions in the next one.
      moving: if the last one was not of rank one, or had better beams.
      number: relaxations so far.
    """

    solved: Solved
    towards: Complex[Array, "K n"]
    weight: Float[Array, ""]
    moving: Bool[Array, ""]
    number: Int[Array, ""]


def _rescue(problem: Problem, fast: Solved, effort: Effort) -> Solved:
    """Solves the relaxation; DC rounds lead it to rank one, and go on while beams get better.

    The weight of the distance from rank one grows until that is reached, and then stays, so that
    no round makes the beams worse.
    """
    width = fast.mixture.shape[-1]
    if width == 1:  # the relaxation of perfect channels is that of ellipsoids of radius zero
        users, n = problem.center.shape
        problem = problem._replace(root=jnp.zeros((users, n, n), complex))
    weight = PULL * jnp.min(jnp.where(problem.mask > 0, problem.cost, jnp.inf))
    true, zero = jnp.asarray(True), jnp.zeros_like(problem.center)
    begin = Rounds(fast, zero, weight, true, jnp.zeros((), int))
    going = lambda rounds: (rounds.number < effort.rounds) & rounds.moving  # noqa: E731
    step = lambda rounds: _lead(problem, rounds, effort)  # noqa: E731
    return jax.lax.while_loop(going, step, begin).solved


def _lead(problem: Problem, rounds: Rounds, effort: Effort) -> Rounds:
    """Solves one relaxation, the first without directions to keep near."""
    best, first = rounds.solved, rounds.number == 0
    outer = rounds.towards[:, :, None] * rounds.towards[:, None].conj()
    pull = jnp.where(first, 0.0, rounds.weight) * (jnp.eye(outer.shape[1])[None] - outer)
    found = relax(problem, pull, 0.1 * effort.tolerance)
    better = found.upper < best.upper
    solved = best._replace(
        beams=jnp.where(better, found.beams, best.beams),
        upper=jnp.minimum(found.upper, best.upper),
        count=best.count + 1,
    )
    solved = choose(first, _bounded(solved, found), solved)
    apart = found.rank_gap > RANK_ONE
    weight = jnp.where(apart & ~first, GROWTH, 1.0) * rounds.weight
    moving = apart | (~first & (found.upper < best.upper * (1.0 - SETTLED)))
    return Rounds(solved, found.directions, weight, moving, rounds.number + 1)


def _bounded(solved: Solved, found: Relaxed) -> Solved:
    """Takes over the gap of a relaxation, and its bound if that is the higher one."""
    width, higher = solved.mixture.shape[-1], found.lower > solved.lower
    return solved._replace(
        lower=jnp.where(higher, found.lower, solved.lower),
        rank_gap=found.rank_gap,
        mixture=jnp.where(higher, found.mixture[:, -width:, -width:], solved.mixture),
        prices=jnp.where(higher, found.prices, solved.prices),
        limits=jnp.where(higher, found.limits, solved.limits),
    )
