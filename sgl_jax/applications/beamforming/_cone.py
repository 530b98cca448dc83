"""The lifted problem: its maps between Hermitian matrices, and their form in real numbers."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float


__all__ = ["Iterate", "Lifted", "adjoint", "hermitian", "inner", "lmi", "spread", "to_real"]


class Lifted(NamedTuple):
    r"""Data of ``min sum_k tr(C_k V_k)``, in units in which a typical V and cost are near 1.

    The targets hold on a whole ellipsoid if and only if, for some :math:`t_k \ge 0`,

    .. math:: X_k = F_k^H M_k F_k + \operatorname{diag}(t_k I, -\rho_k^2 t_k - 1) \succeq 0, \quad
        F_k = [B_k / \rho_k, c_k].

    Attributes:
      cost: Hermitian costs C, (K, n, n).
      maps: F, (K, n, n + 1).
      turn: diagonals of the matrices of t, (K, n + 1).
      signs: factors of the V_l in the M_k, (K, K).
      pattern: 1 for the entries of V_k of pairs that are on, (K, n, n).
      block: 1 for the entries of an access point, (N, n).
      pmax: limits, (N,).
    """

    cost: Complex[Array, "K n n"]
    maps: Complex[Array, "K n m"]
    turn: Float[Array, "K m"]
    signs: Float[Array, "K K"]
    pattern: Float[Array, "K n n"]
    block: Float[Array, "N n"]
    pmax: Float[Array, " N"]


class Iterate(NamedTuple):
    """Variables, slacks and multipliers of the lifted problem.

    Attributes:
      v: lifted beams, (K, n, n).
      t: multipliers of the ellipsoids, (K,).
      x: slacks of the matrix inequalities, (K, n + 1, n + 1).
      s: slacks of the limits, (N,).
      y: multipliers of the matrix inequalities, (K, n + 1, n + 1).
      z: multipliers of ``V >= 0``, (K, n, n).
      r: multipliers of ``t >= 0``, (K,).
      q: multipliers of the limits, (N,).
    """

    v: Complex[Array, "K n n"]
    t: Float[Array, " K"]
    x: Complex[Array, "K m m"]
    s: Float[Array, " N"]
    y: Complex[Array, "K m m"]
    z: Complex[Array, "K n n"]
    r: Float[Array, " K"]
    q: Float[Array, " N"]


def hermitian(x: Complex[Array, "... n n"]) -> Complex[Array, "... n n"]:
    """Takes the Hermitian part."""
    return 0.5 * (x + jnp.swapaxes(x.conj(), -1, -2))


def inner(a: Complex[Array, "..."], b: Complex[Array, "..."]) -> Float[Array, ""]:
    """Computes the real inner product of Hermitian matrices."""
    return jnp.sum(a.real * b.real + a.imag * b.imag)


def lmi(data: Lifted, v: Complex[Array, "K n n"], t: Float[Array, " K"]) -> Complex[Array, "K m m"]:
    """Computes the linear part of the matrices X of all users."""
    mixed = jnp.einsum("kl,lij->kij", data.signs, v * data.pattern)
    quadratic = hermitian(jnp.swapaxes(data.maps.conj(), 1, 2) @ mixed @ data.maps)
    return quadratic + (t[:, None] * data.turn)[:, :, None] * jnp.eye(data.turn.shape[1])[None]


def spread(data: Lifted, y: Complex[Array, "K m m"]) -> Complex[Array, "K n n"]:
    """Computes ``F Y F^H`` for all users."""
    return data.maps @ y @ jnp.swapaxes(data.maps.conj(), 1, 2)


def adjoint(
    data: Lifted, y: Complex[Array, "K m m"]
) -> tuple[Complex[Array, "K n n"], Float[Array, " K"]]:
    """Computes the adjoint of :func:`lmi`, for V and for t."""
    of_v = hermitian(jnp.einsum("kl,kij->lij", data.signs, spread(data, y)) * data.pattern)
    return of_v, jnp.einsum("kaa,ka->k", y, data.turn).real


def to_real(e: Complex[Array, "K n n"]) -> Float[Array, "K nn"]:
    """Writes Hermitian matrices as real vectors, with the same inner products."""
    return (e.real + e.imag).reshape(e.shape[0], -1)


def to_hermitian(x: Float[Array, "K nn"], n: int) -> Complex[Array, "K n n"]:
    """Inverts :func:`to_real`."""
    square = x.reshape(-1, n, n)
    turned = jnp.swapaxes(square, 1, 2)
    return jax.lax.complex(0.5 * (square + turned), 0.5 * (square - turned))


def product_matrix(p: Complex[Array, "n n"], q: Complex[Array, "n n"]) -> Float[Array, "nn nn"]:
    """Writes the Hermitian part of ``E -> P E Q`` as a matrix on real vectors."""
    n = p.shape[0]
    same = jnp.einsum("jl,ki->ijkl", p, q) + jnp.einsum("ik,lj->ijkl", p, q)
    crossed = jnp.einsum("jk,li->ijkl", p, q) - jnp.einsum("il,kj->ijkl", p, q)
    return (0.5 * (same.real - crossed.imag)).reshape(n * n, n * n)
