"""A network and its sets of channels in the form in which all methods read them."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float, Int

from sgl_jax.applications.beamforming._ellipsoids import Ellipsoids
from sgl_jax.applications.beamforming._engine import Effort, Solved, solve_pairs
from sgl_jax.applications.beamforming._network import Network
from sgl_jax.applications.beamforming._problem import Point, Problem


__all__ = ["Plan", "Setting", "attempt", "make_problem", "make_setting", "pair_powers"]


class Setting(NamedTuple):
    """A network and its sets of channels.

    Attributes:
      problem: the problem with all allowed pairs on.
      pcomp: power of every pair's computation, (N, K), W.
      eta: efficiencies of the amplifiers, (N,).
      gain: power gain of the centre of every pair, (N, K), 1/W.
      allowed: the pairs that may be on, (N, K).
    """

    problem: Problem
    pcomp: Float[Array, "N K"]
    eta: Float[Array, " N"]
    gain: Float[Array, "N K"]
    allowed: Bool[Array, "N K"]


class Plan(NamedTuple):
    """A tasking and its beams.

    Attributes:
      tasking: the pairs that are on, (N, K).
      solved: beams and bound; infinite costs if none meet the targets.
      total: power of transmission and computation, W.
      count: certificates and relaxations of all problems on the way.
    """

    tasking: Bool[Array, "N K"]
    solved: Solved
    total: Float[Array, ""]
    count: Int[Array, ""]


def make_setting(net: Network, sets: Ellipsoids, allowed: Bool[Array, "N K"]) -> Setting:
    """Puts a network and its sets together."""
    block = jnp.repeat(jnp.eye(net.points), net.antennas, axis=1)
    gain = block @ (jnp.abs(sets.center) ** 2).T
    cost = jnp.broadcast_to(((1.0 / net.eta) @ block)[None], sets.center.shape)
    mask = allowed.T.astype(float) @ block
    problem = Problem(sets.center, sets.root, net.gamma, net.pmax, cost, mask, block)
    return Setting(problem, net.pcomp, net.eta, gain, allowed)


def make_problem(setting: Setting, tasking: Bool[Array, "N K"]) -> Problem:
    """Takes the problem with the pairs of a tasking alone, at the costs of transmission."""
    mask = tasking.T.astype(float) @ setting.problem.block
    return setting.problem._replace(mask=mask)


def pair_powers(setting: Setting, beams: Complex[Array, "K n"]) -> Float[Array, "N K"]:
    """Computes the transmitted power of every pair."""
    return setting.problem.block @ (jnp.abs(beams) ** 2).T


def attempt(
    setting: Setting,
    tasking: Bool[Array, "N K"],
    point: Point,
    effort: Effort,
    cutoff: Float[Array, ""] | float = jnp.inf,
) -> Plan:
    """Solves for the beams of a tasking; ``cutoff`` is a total that is of no use."""
    computing = jnp.sum(jnp.where(tasking, setting.pcomp, 0.0))
    solved = solve_pairs(make_problem(setting, tasking), point, effort, cutoff - computing)
    return Plan(tasking, solved, solved.upper + computing, solved.count)
