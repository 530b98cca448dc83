"""A predictor-corrector step of the interior-point method for the lifted problem."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from sgl_jax.applications.beamforming._cone import (
    Iterate,
    Lifted,
    adjoint,
    hermitian,
    inner,
    lmi,
    product_matrix,
    spread,
    to_hermitian,
    to_real,
)
from sgl_jax.applications.beamforming._linear import invert_lower


__all__ = ["gap_of", "residuals", "take_step"]


class Residuals(NamedTuple):
    """Errors of an iterate in all equations.

    Attributes:
      x: of the matrix inequalities.
      s: of the limits.
      v: of the dual, for V.
      t: of the dual, for t.
    """

    x: Complex[Array, "K m m"]
    s: Float[Array, " N"]
    v: Complex[Array, "K n n"]
    t: Float[Array, " K"]


class Inverses(NamedTuple):
    """Inverses at an iterate.

    Attributes:
      x: of the slacks X.
      v: of V.
      factors: inverses of the Cholesky factors of X, V, Y and Z, those of n rows made larger.
    """

    x: Complex[Array, "K m m"]
    v: Complex[Array, "K n n"]
    factors: Complex[Array, "four K m m"]


def loads(data: Lifted, v: Complex[Array, "K n n"]) -> Float[Array, " N"]:
    return jnp.einsum("kii,ni->n", v.real, data.block)


def on_diagonal(data: Lifted, q: Float[Array, " N"]) -> Float[Array, "1 n n"]:
    return jnp.diag(q @ data.block)[None]


def residuals(data: Lifted, at: Iterate) -> Residuals:
    """Computes the residuals of all equations."""
    m = data.turn.shape[1]
    corner = jnp.zeros((m, m)).at[-1, -1].set(1.0)
    of_v, of_t = adjoint(data, at.y)
    return Residuals(
        lmi(data, at.v, at.t) - corner[None] - at.x,
        data.pmax - loads(data, at.v) - at.s,
        data.cost - of_v - at.z + on_diagonal(data, at.q),
        -of_t - at.r,
    )


def gap_of(at: Iterate) -> Float[Array, ""]:
    """Computes the sum of all products of slacks and multipliers."""
    products = inner(at.x, at.y) + inner(at.v, at.z)
    return products + jnp.sum(at.t * at.r) + jnp.sum(at.s * at.q)


def padded(v: Complex[Array, "K n n"], corner: float) -> Complex[Array, "K m m"]:
    """Adds a row and a column, so that all matrices go through one call."""
    return jnp.pad(v, ((0, 0), (0, 1), (0, 1))).at[:, -1, -1].set(corner)


def invert(at: Iterate) -> Inverses:
    """Factors all matrices at once."""
    stacked = jnp.stack([at.x, padded(at.v, 1.0), at.y, padded(at.z, 1.0)])
    factors = invert_lower(jnp.linalg.cholesky(stacked))
    inverse = jnp.swapaxes(factors[:2].conj(), -1, -2) @ factors[:2]
    return Inverses(inverse[0], inverse[1][:, :-1, :-1], factors)


def schur(data: Lifted, at: Iterate, inverses: Inverses) -> Float[Array, "size size"]:
    """Assembles the matrix of the Newton equations in V and t."""
    users, n = data.pattern.shape[:2]
    pattern = data.pattern.reshape(users, -1)
    quadratic = jax.vmap(product_matrix)(spread(data, at.y), spread(data, inverses.x))
    own = jax.vmap(product_matrix)(at.z, inverses.v)
    blocks = jnp.einsum("kl,km,kab->lamb", data.signs, data.signs, quadratic)
    blocks = blocks * pattern[:, :, None, None] * pattern[None, None]
    blocks = blocks + jnp.einsum("lm,lab->lamb", jnp.eye(users), own)
    ends = jax.vmap(lambda row: jnp.diag(row).reshape(-1))(data.block)
    blocks = blocks + jnp.einsum("n,na,nb->ab", at.q / at.s, ends, ends)[None, :, None, :]
    turned = hermitian(spread(data, (at.y * data.turn[:, None]) @ inverses.x))
    side = jnp.einsum("kl,ka->lak", data.signs, to_real(turned)) * pattern[:, :, None]
    weighed = at.y * data.turn[:, None] * jnp.swapaxes(inverses.x * data.turn[:, None], 1, 2)
    corner = jnp.diag(jnp.sum(weighed.real, axis=(1, 2)) + at.r / at.t)
    size = users * n * n
    side = side.reshape(size, users)
    return jnp.block([[blocks.reshape(size, size), side], [side.T, corner]])


def solver(matrix: Float[Array, "size size"]) -> Callable[[Array], Array]:
    """Factors a positive definite matrix, scaled to a diagonal of one."""
    scale = jax.lax.rsqrt(jnp.diagonal(matrix))
    scaled = matrix * scale[:, None] * scale[None] + 1e-14 * jnp.eye(len(scale))
    factor = jnp.linalg.cholesky(scaled)
    return lambda b: scale * jax.scipy.linalg.cho_solve((factor, True), scale * b)


def targets(
    at: Iterate,
    off: Residuals,
    inverses: Inverses,
    center: Float[Array, ""] | float,
    second: Iterate | None,
) -> tuple[Array, Array, Array, Array]:
    """Computes how the multipliers would change, if V and t did not."""
    y = center * inverses.x - at.y - hermitian(at.y @ off.x @ inverses.x)
    z = center * inverses.v - at.z
    r, q = center / at.t - at.r, center / at.s - at.q - at.q / at.s * off.s
    if second is None:
        return y, z, r, q
    y = y - hermitian(second.y @ second.x @ inverses.x)
    z = z - hermitian(second.z @ second.v @ inverses.v)
    return y, z, r - second.r * second.t / at.t, q - second.q * second.s / at.s


def direction(
    data: Lifted,
    at: Iterate,
    off: Residuals,
    inverses: Inverses,
    solve: Callable[[Array], Array],
    center: Float[Array, ""] | float,
    second: Iterate | None,
) -> Iterate:
    """Solves the Newton equations for given products of slacks and multipliers."""
    users, n = data.pattern.shape[:2]
    y, z, r, q = targets(at, off, inverses, center, second)
    of_v, of_t = adjoint(data, y)
    right_v = to_real(of_v + z - on_diagonal(data, q) - off.v)
    found = solve(jnp.concatenate([right_v.reshape(-1), of_t + r - off.t]))
    v, t = to_hermitian(found[: users * n * n].reshape(users, -1), n), found[users * n * n :]
    moved = lmi(data, v, t)
    return Iterate(
        v,
        t,
        moved + off.x,
        off.s - loads(data, v),
        y - hermitian(at.y @ moved @ inverses.x),
        z - hermitian(at.z @ v @ inverses.v),
        r - at.r / at.t * t,
        q + at.q / at.s * loads(data, v),
    )


def step_lengths(
    at: Iterate, to: Iterate, inverses: Inverses
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Finds how far slacks and multipliers may go until they leave their cones."""
    stacked = jnp.stack([to.x, padded(to.v, 0.0), to.y, padded(to.z, 0.0)])
    factors = inverses.factors
    inside = hermitian(factors @ stacked @ jnp.swapaxes(factors.conj(), -1, -2))
    least = jnp.min(jnp.linalg.eigvalsh(inside)[..., 0], axis=1)
    primal = jnp.stack([least[0], least[1], jnp.min(to.t / at.t), jnp.min(to.s / at.s)])
    dual = jnp.stack([least[2], least[3], jnp.min(to.r / at.r), jnp.min(to.q / at.q)])
    longest = [1.0 / jnp.maximum(-jnp.min(part), 1e-12) for part in (primal, dual)]
    return longest[0], longest[1]


def advance(at: Iterate, to: Iterate, primal: Float[Array, ""], dual: Float[Array, ""]) -> Iterate:
    """Moves slacks and multipliers along a direction, each by its own length."""
    lengths = Iterate(primal, primal, primal, primal, dual, dual, dual, dual)
    return jax.tree.map(lambda a, d, length: a + length * d, at, to, lengths)


def take_step(data: Lifted, at: Iterate) -> Iterate:
    """Takes a predictor-corrector step (Mehrotra's, in the direction of HKM)."""
    off, inverses = residuals(data, at), invert(at)
    solve = solver(schur(data, at, inverses))
    size = at.x.shape[0] * (2 * at.x.shape[1]) + at.s.shape[0]
    gap = gap_of(at)
    affine = direction(data, at, off, inverses, solve, 0.0, None)
    primal, dual = step_lengths(at, affine, inverses)
    ahead = advance(at, affine, jnp.minimum(primal, 1.0), jnp.minimum(dual, 1.0))
    share = jnp.clip((gap_of(ahead) / gap) ** 2, 1e-6, 1.0)
    full = direction(data, at, off, inverses, solve, share * gap / size, affine)
    primal, dual = step_lengths(at, full, inverses)
    most = 0.9 + 0.09 * jnp.minimum(1.0, jnp.minimum(primal, dual))
    return advance(at, full, jnp.minimum(1.0, most * primal), jnp.minimum(1.0, most * dual))
