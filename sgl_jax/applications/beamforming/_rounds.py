"""The pieces that methods are made of: rounds of reweighting, and pairs switched on again."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

import sgl_jax as sgl
from sgl_jax.applications._trees import choose
from sgl_jax.applications.beamforming._engine import ROUGH, Effort, solve_pairs
from sgl_jax.applications.beamforming._problem import Point
from sgl_jax.applications.beamforming._saddle import start
from sgl_jax.applications.beamforming._setting import (
    Plan,
    Setting,
    attempt,
    make_problem,
    pair_powers,
)


__all__ = ["History", "Weighing", "keep_strong", "reweigh", "settle", "switch_off"]

STILL = 0.01  # relative change of the powers at which rounds end
PRUNED = 1e-4  # of the largest power


class Weighing(NamedTuple):
    r"""Costs of a round, ``base + factor phi'(power + offset)`` for every pair.

    Attributes:
      penalty: :math:`\phi`, a concave penalty of a norm.
      base: cost of a transmitted watt, (N, 1).
      factor: (N, K).
      offsets: of the powers, by round, (R,), W.
    """

    penalty: sgl.NormPenalty
    base: Float[Array, "N 1"]
    factor: Float[Array, "N K"]
    offsets: Float[Array, " R"]


class History(NamedTuple):
    """Rounds of reweighting, the first of them without weights; NaN for those not needed.

    Attributes:
      transmit_power: of the beams, (R,), W.
      pairs: number of pairs of more than a share of the largest power, (R,).
      rank_gap: that of the relaxation, 0 where none was needed, (R,).
    """

    transmit_power: Float[Array, " R"]
    pairs: Float[Array, " R"]
    rank_gap: Float[Array, " R"]


class Rounds(NamedTuple):
    """The outcome of rounds of reweighting.

    Attributes:
      powers: of every pair, (N, K), W.
      point: where the last round ended.
      count: certificates and relaxations.
      history: the rounds.
    """

    powers: Float[Array, "N K"]
    point: Point
    count: Int[Array, ""]
    history: History


def weigh(
    setting: Setting, weighing: Weighing, powers: Float[Array, "N K"], number: Int[Array, ""]
) -> Float[Array, "K n"]:
    """Computes the costs of a round from the powers of the one before; the first has no weights."""
    slope = weighing.penalty.slope_phi(powers + weighing.offsets[jnp.maximum(number - 1, 0)])
    weighed = weighing.base + weighing.factor * slope
    plain = 1.0 / setting.eta[:, None]
    weighed = jnp.where(number == 0, plain, jnp.maximum(weighed, 1e-6 * plain))
    return weighed.T @ setting.problem.block


def take_round(
    setting: Setting, weighing: Weighing, found: Rounds, number: Int[Array, ""]
) -> Rounds:
    """Solves for all allowed pairs once, at the costs of the powers found so far."""
    problem = make_problem(setting, setting.allowed)
    weighed = problem._replace(cost=weigh(setting, weighing, found.powers, number))
    solved = solve_pairs(weighed, found.point, ROUGH)
    powers = pair_powers(setting, solved.beams)
    powers = jnp.where(jnp.isfinite(solved.upper), powers, found.powers)
    history = record(found.history, number, setting, powers, solved.rank_gap)
    return Rounds(powers, solved.point, found.count + solved.count, history)


@jax.jit
def reweigh(setting: Setting, weighing: Weighing) -> Rounds:
    """Solves for all allowed pairs again and again, each time at the costs of the powers found."""
    offsets, last = weighing.offsets, weighing.offsets.shape[0]

    def going(carry):
        _, number, move = carry
        fallen = offsets[jnp.maximum(number - 2, 0)] <= offsets[-1]
        return (number <= last) & ~((number > 2) & fallen & (move < STILL))

    def step(carry):
        found, number, _ = carry
        new = take_round(setting, weighing, found, number)
        move = jnp.sum(jnp.abs(new.powers - found.powers))
        return new, number + 1, move / jnp.maximum(jnp.sum(new.powers), 1e-300)

    nothing = History(*([jnp.full(last + 1, jnp.nan)] * 3))
    point = start(make_problem(setting, setting.allowed))
    begin = Rounds(jnp.ones_like(setting.pcomp), point, jnp.zeros((), int), nothing)
    found, *_ = jax.lax.while_loop(going, step, (begin, 0, jnp.asarray(jnp.inf)))
    return found


def record(
    history: History,
    number: Int[Array, ""],
    setting: Setting,
    powers: Float[Array, "N K"],
    rank_gap: Float[Array, ""],
) -> History:
    """Notes a round."""
    now = History(
        jnp.sum(powers / setting.eta[:, None]),
        jnp.sum((powers >= PRUNED * jnp.max(powers)).astype(float)),
        rank_gap,
    )
    return jax.tree.map(lambda line, new: line.at[number].set(new), history, now)


def keep_strong(powers: Float[Array, "N K"], allowed: Bool[Array, "N K"]) -> Bool[Array, "N K"]:
    """Keeps pairs of more than a share of the largest power, and every user's strongest."""
    powers = jnp.where(allowed, powers, -1.0)
    own = powers >= jnp.max(powers, axis=0, keepdims=True)
    return ((powers >= PRUNED * jnp.max(powers)) | own) & allowed


@jax.jit
def settle(
    setting: Setting,
    tasking: Bool[Array, "N K"],
    order: Float[Array, "N K"],
    effort: Effort,
) -> Plan:
    """Solves for a tasking, and switches on pairs by their order until there is a solution."""

    def going(carry):
        plan, tried = carry
        return (tried == 0) | (jnp.isinf(plan.total) & jnp.any(setting.allowed & ~plan.tasking))

    def step(carry):
        plan, tried = carry
        off = setting.allowed & ~plan.tasking
        best = jnp.argmax(jnp.where(off, order, -jnp.inf).ravel())
        more = jnp.arange(off.size).reshape(off.shape) == best
        tasking = plan.tasking | (more & off & (tried > 0))
        new = attempt(setting, tasking, start(make_problem(setting, tasking)), effort)
        return new._replace(count=plan.count + new.count), tried + 1

    return jax.lax.while_loop(going, step, (_nothing(setting, tasking), 0))[0]


def _nothing(setting: Setting, tasking: Bool[Array, "N K"]) -> Plan:
    """Makes a plan of the right structure, before anything is solved."""
    shapes = jax.eval_shape(
        lambda: attempt(setting, tasking, start(make_problem(setting, tasking)), ROUGH)
    )
    empty = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    infinite = jnp.asarray(jnp.inf)
    solved = empty.solved._replace(upper=infinite, lower=-infinite)
    return empty._replace(tasking=tasking, solved=solved, total=infinite)


@jax.jit
def switch_off(setting: Setting, order: Float[Array, "N K"], effort: Effort) -> Plan:
    """Switches off pair after pair by their order, and returns the best tasking on the way."""
    ranked = jnp.where(setting.allowed, order, -jnp.inf)
    last = ranked >= jnp.max(ranked, axis=0, keepdims=True)
    ranked = jnp.where(last, jnp.inf, ranked)
    rank = jnp.argsort(jnp.argsort(ranked.ravel())).reshape(ranked.shape)
    forbidden = jnp.sum(~setting.allowed)

    def going(carry):
        _, level = carry
        return level <= setting.allowed.size - setting.allowed.shape[1]

    def step(carry):
        best, level = carry
        tasking = setting.allowed & (rank >= level)
        problem = make_problem(setting, tasking)
        new = attempt(setting, tasking, start(problem), effort, best.total)
        count = best.count + new.count
        return choose(new.total < best.total, new, best)._replace(count=count), level + 1

    return jax.lax.while_loop(going, step, (_nothing(setting, setting.allowed), forbidden))[0]
