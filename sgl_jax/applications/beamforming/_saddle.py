"""The fast path: beams for channels that move towards the worst ones, certified as it goes."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float, Int

from sgl_jax.applications._trees import choose
from sgl_jax.applications.beamforming._duality import (
    Uplink,
    ascend,
    scale_powers,
)
from sgl_jax.applications.beamforming._problem import Point, Problem, find_loads, repair
from sgl_jax.applications.beamforming._worst import channels_at, find_worst


__all__ = ["Certified", "bound", "inverse_cost", "iterate", "serve", "start"]

STEP = 0.3
CHECK = 6  # steps between two certificates
PATIENCE = 4  # certificates within which the gap has to halve


class Certified(NamedTuple):
    """Beams and a bound: both are right whatever the iteration did.

    Attributes:
      point: the last dual point.
      best: the dual point of the best bound.
      beams: the best beams, (K, n).
      upper: their cost, infinite where none meet the targets.
      lower: the best lower bound of the cost.
      checks: number of certificates so far.
      stalled: checks since the gap last halved.
    """

    point: Point
    best: Point
    beams: Complex[Array, "K n"]
    upper: Float[Array, ""]
    lower: Float[Array, ""]
    checks: Int[Array, ""]
    stalled: Int[Array, ""]


def inverse_cost(problem: Problem, limits: Float[Array, " N"]) -> Float[Array, "K n"]:
    """Computes the diagonals of the inverse metrics of the uplink, zero off the mask."""
    return problem.mask / (problem.cost + (limits @ problem.block)[None])


def start(problem: Problem) -> Point:
    """Starts from the centres, with their prices."""
    metric = inverse_cost(problem, jnp.zeros_like(problem.pmax))
    power = jnp.sum(jnp.abs(problem.center) ** 2 * metric, axis=1)
    prices = problem.gamma / jnp.maximum(power, 1e-300)
    prices, _ = ascend(problem.center, metric, problem.gamma, prices, 5)
    users, _, width = problem.root.shape
    return Point(jnp.zeros((users, width), complex), prices, jnp.zeros_like(problem.pmax))


def serve(
    problem: Problem, point: Point, newton: int
) -> tuple[Float[Array, " K"], Complex[Array, "K n"], Uplink]:
    """Finds prices, beams that meet the targets at the channels of a point, and a bound."""
    channels = channels_at(problem.center, problem.root, point.u)
    metric = inverse_cost(problem, point.limits)
    prices, uplink = ascend(channels, metric, problem.gamma, point.prices, newton)
    powers = scale_powers(uplink.received, problem.gamma)
    beams = uplink.beams * jnp.sqrt(jnp.maximum(powers, 0.0))[:, None]
    return prices, beams, uplink


def bound(
    problem: Problem, point: Point, prices: Float[Array, " K"], uplink: Uplink
) -> Float[Array, ""]:
    """Computes a lower bound: prices a little below those needed are feasible in the dual."""
    channels = channels_at(problem.center, problem.root, point.u)
    metric = inverse_cost(problem, point.limits)
    alone = problem.gamma / jnp.maximum(jnp.sum(jnp.abs(channels) ** 2 * metric, axis=1), 1e-300)
    # The needed prices are concave in the prices, so lowering all by this share suffices.
    excess = jnp.max(jnp.maximum(prices - uplink.needed, 0.0) / alone)
    low = (1.0 - excess) * jnp.sum(prices) - point.limits @ problem.pmax
    return jnp.where(jnp.isfinite(low) & (excess < 1.0), low, -jnp.inf)


def move(problem: Problem, point: Point) -> Point:
    """Moves the channels towards the worst ones, and the prices of limits with the loads."""
    prices, beams, _ = serve(problem, point, 2)
    worst = find_worst(problem.center, problem.root, beams, problem.gamma)
    u = (1.0 - STEP) * point.u + STEP * worst.u
    ratio = jnp.clip(find_loads(problem, beams) / problem.pmax, 0.0, 4.0)
    base = jnp.max(problem.cost * problem.mask)
    limits = jnp.maximum((point.limits + base) * ratio**2 - base, 0.0)
    new = Point(u, prices, limits)
    good = jnp.all(jnp.isfinite(prices)) & jnp.all(jnp.isfinite(limits))
    good = good & jnp.all(jnp.isfinite(jnp.abs(u)))
    return choose(good, new, point)


def certify(problem: Problem, state: Certified) -> Certified:
    """Takes some steps, then the bound and the beams at the point that they lead to."""
    point = jax.lax.fori_loop(0, CHECK, lambda _, p: move(problem, p), state.point)
    prices, beams, uplink = serve(problem, point, 2)
    point = point._replace(prices=jnp.where(jnp.isfinite(prices), prices, point.prices))
    low = bound(problem, point, prices, uplink)
    beams, cost = repair(problem, beams)
    better, higher = cost < state.upper, low > state.lower
    gap = state.upper - state.lower
    upper, lower = jnp.minimum(cost, state.upper), jnp.maximum(low, state.lower)
    halved = (upper - lower) < 0.5 * gap
    return Certified(
        point,
        choose(higher, point, state.best),
        jnp.where(better, beams, state.beams),
        upper,
        lower,
        state.checks + 1,
        jnp.where(halved, 0, state.stalled + 1),
    )


def iterate(
    problem: Problem, point: Point, effort: tuple[Any, ...], cutoff: Float[Array, ""]
) -> Certified:
    """Iterates until bound and beams meet, or nothing more is to be expected.

    Args:
      problem: the problem.
      point: where to start.
      effort: certificates at most, relative gap at which to stop, and more.
      cutoff: a cost; where the bound exceeds it the iteration ends.
    """
    most, tolerance, *_ = effort
    zero, low = jnp.zeros((), int), jnp.asarray(-jnp.inf)
    beams = jnp.zeros_like(problem.center)
    state = Certified(point, point, beams, -low, low, zero, zero)

    def going(state: Certified) -> Bool[Array, ""]:
        closed = state.upper - state.lower <= tolerance * state.upper
        left = ~closed | jnp.isinf(state.upper)
        patient = state.stalled < PATIENCE
        return (state.checks < most) & left & patient & (state.lower < cutoff)

    return jax.lax.while_loop(going, lambda state: certify(problem, state), state)
