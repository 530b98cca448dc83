"""One problem of beams of least cost on given pairs, and what certifies its solution."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from sgl_jax.applications.beamforming._duality import scale_powers
from sgl_jax.applications.beamforming._worst import channels_at, find_worst


__all__ = ["Point", "Problem", "find_loads", "pattern_of", "price_of", "repair"]

REPAIRS = 4
SLACK = 5e-7  # of the limits, relative


class Problem(NamedTuple):
    """Beams of least cost on given pairs, for all channels of the ellipsoids.

    Attributes:
      center: centres of the ellipsoids, (K, n).
      root: images of the unit ball, (K, n, m); m = n, or 0 for perfect channels.
      gamma: targets, (K,).
      pmax: limits of the access points, (N,), W.
      cost: cost of the power of every entry of the beams, (K, n), above 0.
      mask: 1 for entries of pairs that are on, else 0, (K, n).
      block: 1 for the entries of an access point, (N, n).
    """

    center: Complex[Array, "K n"]
    root: Complex[Array, "K n m"]
    gamma: Float[Array, " K"]
    pmax: Float[Array, " N"]
    cost: Float[Array, "K n"]
    mask: Float[Array, "K n"]
    block: Float[Array, "N n"]


class Point(NamedTuple):
    """A point of the dual: channels of the ellipsoids, prices of targets and of limits.

    Attributes:
      u: points in the unit balls, (K, m).
      prices: of the targets, (K,).
      limits: prices of the limits, (N,).
    """

    u: Complex[Array, "K m"]
    prices: Float[Array, " K"]
    limits: Float[Array, " N"]


def pattern_of(problem: Problem) -> Float[Array, "K n n"]:
    """Marks the entries of the lifted beams of pairs that are on by 1."""
    return problem.mask[:, :, None] * problem.mask[:, None]


def price_of(problem: Problem, beams: Complex[Array, "K n"]) -> Float[Array, ""]:
    """Computes the cost of beams."""
    return jnp.sum(problem.cost * jnp.abs(beams) ** 2)


def find_loads(problem: Problem, beams: Complex[Array, "K n"]) -> Float[Array, " N"]:
    """Computes what every access point transmits."""
    return problem.block @ jnp.sum(jnp.abs(beams) ** 2, axis=0)


def repair(
    problem: Problem, beams: Complex[Array, "K n"]
) -> tuple[Complex[Array, "K n"], Float[Array, ""]]:
    """Scales beams until they just meet all targets at their worst channels.

    Returns:
      The beams and their cost, which is infinite if they still miss a target, or a limit.
    """

    def step(_, carry):
        scaled, _, _ = carry
        worst = find_worst(problem.center, problem.root, scaled, problem.gamma)
        channels = channels_at(problem.center, problem.root, worst.u)
        powers = scale_powers(channels.conj() @ scaled.T, problem.gamma)
        good = jnp.all((powers > 0) & (powers < 1e6))
        factor = jnp.where(good, jnp.sqrt(jnp.maximum(powers, 0.0)), 1.0)
        return scaled * factor[:, None], scaled, jnp.min(worst.margin)

    begin = (beams, beams, jnp.zeros(()))
    _, scaled, least = jax.lax.fori_loop(0, REPAIRS + 1, step, begin)
    scaled = scaled * jnp.sqrt(jnp.maximum(1.0, 1.0 / jnp.where(least > 0, least, 1.0)))
    kept = jnp.all(find_loads(problem, scaled) <= problem.pmax * (1.0 + SLACK))
    cost = price_of(problem, scaled)
    return scaled, jnp.where((least > 0) & kept & jnp.isfinite(cost), cost, jnp.inf)
