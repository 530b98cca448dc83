"""The sure path: the relaxation of rank one, solved by an interior-point method, and its bound."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float

from sgl_jax.applications._trees import choose
from sgl_jax.applications.beamforming._cone import Iterate, Lifted, hermitian, inner, spread
from sgl_jax.applications.beamforming._linear import invert_lower
from sgl_jax.applications.beamforming._newton import gap_of, residuals, take_step
from sgl_jax.applications.beamforming._problem import Problem, pattern_of, repair
from sgl_jax.applications.beamforming._saddle import serve, start
from sgl_jax.applications.beamforming._worst import signs


__all__ = ["Relaxed", "relax"]

STEPS = 60
NEAR = 1e-5  # an error that rounding may leave; the bound is right whatever it is
FIXED_POINT = 6


class Relaxed(NamedTuple):
    """A solution of the relaxation.

    Attributes:
      beams: the principal vectors, scaled until they meet all targets, (K, n).
      upper: their cost; infinite where they meet some target not, or a limit.
      lower: a lower bound of the cost, from the multipliers.
      rank_gap: largest share of a lifted beam outside its principal direction.
      directions: principal vectors of unit length, (K, n).
      mixture: multipliers of the ellipsoids, with 1 in the corners, (K, n + 1, n + 1).
      prices: of the targets, (K,).
      limits: prices of the limits, (N,).
    """

    beams: Complex[Array, "K n"]
    upper: Float[Array, ""]
    lower: Float[Array, ""]
    rank_gap: Float[Array, ""]
    directions: Complex[Array, "K n"]
    mixture: Complex[Array, "K m m"]
    prices: Float[Array, " K"]
    limits: Float[Array, " N"]


def units(problem: Problem) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Takes the power of a beam and the cost of a watt, typically, from perfect channels."""
    users = len(problem.gamma)
    prices, beams, _ = serve(problem, start(problem), 2)
    power = jnp.sum(jnp.abs(beams) ** 2) / users
    most = jnp.max(problem.pmax)
    power = jnp.where((power > 1e-12 * most) & (power < most), power, most / users)
    price = jnp.sum(prices) / users / power
    return power, jnp.where((price > 1e-6) & (price < 1e6), price, jnp.max(problem.cost))


def lift(problem: Problem, pull: Complex[Array, "K n n"]) -> tuple[Lifted, Array, Array]:
    """Writes a problem in units of its own, with further costs ``pull``."""
    power, price = units(problem)
    n = problem.center.shape[1]
    size = jnp.sqrt(jnp.sum(jnp.abs(problem.root) ** 2, axis=(1, 2)))
    length = jnp.sqrt(jnp.sum(jnp.abs(problem.center) ** 2, axis=1))
    rho = jnp.where(size > 1e-9 * length, size, length) / length
    scaled = problem.root / rho[:, None, None]
    maps = jnp.concatenate([scaled, problem.center[:, :, None]], axis=2) * jnp.sqrt(power)
    turn = jnp.concatenate([jnp.ones_like(problem.center.real), -(rho**2)[:, None]], axis=1)
    pattern = pattern_of(problem)
    diagonal = jnp.where(problem.mask > 0, problem.cost / price, 1.0)
    cost = diagonal[:, :, None] * jnp.eye(n)[None] + pull * pattern / price
    data = Lifted(
        cost.astype(complex),
        maps,
        turn,
        signs(problem.gamma),
        pattern,
        problem.block,
        problem.pmax / power,
    )
    return data, power, price


def first(data: Lifted) -> Iterate:
    """Starts far inside all cones."""
    users, n = data.pattern.shape[:2]
    eye, wide = (jnp.broadcast_to(jnp.eye(m, dtype=complex), (users, m, m)) for m in (n, n + 1))
    ones = jnp.ones(users)
    return Iterate(
        10.0 * eye,
        10.0 * ones,
        1000.0 * wide,
        data.pmax,
        100.0 * wide,
        100.0 * eye,
        100.0 * ones,
        100.0 * jnp.ones_like(data.pmax),
    )


def error_of(data: Lifted, at: Iterate) -> Float[Array, ""]:
    """Computes how far an iterate is from a solution; infinite where numbers are not finite."""
    off = residuals(data, at)
    far = jnp.maximum(jnp.max(jnp.abs(off.x)), jnp.max(jnp.abs(off.v)))
    error = jnp.maximum(gap_of(at) / (1.0 + jnp.abs(inner(data.cost, at.v))), 0.01 * far)
    return jnp.where(jnp.isfinite(error), error, jnp.inf)


def interior(data: Lifted, tolerance: Any) -> tuple[Iterate, Bool[Array, ""]]:
    """Runs the interior-point method; returns its best iterate, and if that is a solution."""
    cap = 1e4 * jnp.sum(data.pmax) * jnp.max(jnp.abs(data.cost))

    def going(carry):
        at, _, best, steps, error = carry
        lost = jnp.sum(at.y[:, -1, -1].real) - at.q @ data.pmax > cap
        # Rounding ends the progress next to a solution.
        over = (error > best) & (best < NEAR)
        return (steps < STEPS) & (best > tolerance) & ~lost & ~over & jnp.isfinite(error)

    def step(carry):
        at, kept, best, steps, _ = carry
        new = take_step(data, at)
        error = error_of(data, new)
        kept = choose(error < best, new, kept)
        return new, kept, jnp.minimum(error, best), steps + 1, error

    at = first(data)
    begin = (at, at, jnp.asarray(jnp.inf), 0, jnp.zeros(()))
    _, kept, best, *_ = jax.lax.while_loop(going, step, begin)
    return kept, best <= NEAR


def normalise(data: Lifted, at: Iterate) -> Complex[Array, "K m m"]:
    """Scales multipliers to 1 in the corner, and into the unit ball."""
    corner = jnp.maximum(at.y[:, -1, -1].real, 1e-300)
    ball = jnp.einsum("kaa->k", at.y[:, :-1, :-1]).real / corner
    shrink = jnp.sqrt(jnp.minimum(1.0, -data.turn[:, -1] / jnp.maximum(ball, 1e-300)))
    side = jnp.where(
        jnp.arange(data.turn.shape[1])[None] < data.turn.shape[1] - 1, shrink[:, None], 1.0
    )
    return at.y / corner[:, None, None] * side[:, :, None] * side[:, None]


def needed_prices(
    problem: Problem,
    spread_y: Complex[Array, "K n n"],
    metric: Float[Array, "K n"],
    prices: Float[Array, " K"],
) -> Float[Array, " K"]:
    """Computes the prices at which every user would just meet its target on its mixture."""
    pattern = pattern_of(problem)
    others = (1.0 - jnp.eye(len(prices))) * prices[None]
    interference = jnp.einsum("kl,lij->kij", others, spread_y) * pattern
    factor = jnp.linalg.cholesky(hermitian(interference + jax.vmap(jnp.diag)(metric)))
    inverse = invert_lower(factor)
    whole = inverse @ (spread_y * pattern) @ jnp.swapaxes(inverse.conj(), 1, 2)
    return problem.gamma / jnp.linalg.eigvalsh(hermitian(whole))[:, -1]


def lower_bound(
    problem: Problem,
    spread_y: Complex[Array, "K n n"],
    prices: Float[Array, " K"],
    limits: Float[Array, " N"],
) -> tuple[Float[Array, ""], Float[Array, " K"]]:
    r"""Computes a bound from mixtures of channels, right whatever the error of the multipliers is.

    With :math:`R_k` the mean of :math:`h h^H` over the channels of a mixture, a user needs the
    price :math:`\gamma_k / \lambda_{\max}(R_k, W_k + \sum_{l \ne k} \lambda_l R_l)`.
    """
    metric = (problem.cost + (limits @ problem.block)[None]) * problem.mask + 1.0 - problem.mask

    def refine(_, carry):
        return carry[1], needed_prices(problem, spread_y, metric, carry[1])

    found = jax.lax.fori_loop(0, FIXED_POINT, refine, (prices, prices))
    own = jnp.einsum("kii,ki->ki", spread_y, problem.mask).real
    alone = problem.gamma / jnp.sum(own / metric, axis=1)
    excess = jnp.max(jnp.maximum(found[0] - found[1], 0.0) / alone)
    low = (1.0 - excess) * jnp.sum(found[0]) - limits @ problem.pmax
    return jnp.where(jnp.isfinite(low) & (excess < 1.0), low, -jnp.inf), found[0]


def of_unit_balls(data: Lifted, mixture: Complex[Array, "K m m"]) -> Complex[Array, "K m m"]:
    """Takes multipliers back from the scaled ellipsoids to unit balls."""
    inner = jnp.where(jnp.arange(data.turn.shape[1]) < data.turn.shape[1] - 1, 1.0, 0.0)[None]
    ends = inner / jnp.sqrt(-data.turn[:, -1:]) + 1.0 - inner
    return mixture * ends[:, :, None] * ends[:, None]


def relax(problem: Problem, pull: Complex[Array, "K n n"], tolerance: Any) -> Relaxed:
    """Solves the relaxation, and takes beams and a bound from it.

    Args:
      problem: the problem.
      pull: further costs of the lifted beams, which keep them near given directions, (K, n, n).
      tolerance: of the gap, relative.
    """
    data, power, price = lift(problem, pull)
    at, good = interior(data, tolerance)
    values, vectors = jnp.linalg.eigh(hermitian(at.v * data.pattern))
    total, largest = jnp.sum(values, axis=1), jnp.maximum(values[:, -1], 0.0)
    directions = vectors[:, :, -1] * problem.mask
    beams, upper = repair(problem, directions * jnp.sqrt(largest * power)[:, None])
    mixture, limits = normalise(data, at), at.q * price
    first_prices = at.y[:, -1, -1].real * price * power
    lower, prices = lower_bound(problem, spread(data, mixture) / power, first_prices, limits)
    rank_gap = jnp.max(1.0 - largest / jnp.maximum(total, 1e-300))
    return Relaxed(
        beams,
        upper,
        jnp.where(good, lower, -jnp.inf),
        jnp.where(good, rank_gap, 0.0),
        directions,
        of_unit_balls(data, mixture),
        prices,
        limits,
    )
