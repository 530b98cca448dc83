"""The worst channel of an ellipsoid for given beams, exactly, and the margin there."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from sgl_jax.applications.beamforming._double import in_double


__all__ = ["Worst", "channels_at", "find_worst", "quality"]

_STEPS = 25  # of Newton's method; from a tight bracket it takes fewer than ten


class Worst(NamedTuple):
    """The worst points of all ellipsoids.

    Attributes:
      u: the points in the unit ball, (K, m).
      margin: received power over the target minus interference there, 1 where the target is just
        met, (K,).
      multiplier: those of the balls, at least 0, (K,).
    """

    u: Complex[Array, "K m"]
    margin: Float[Array, " K"]
    multiplier: Float[Array, " K"]


def channels_at(
    center: Complex[Array, "K n"], root: Complex[Array, "K n m"], u: Complex[Array, "K m"]
) -> Complex[Array, "K n"]:
    """Computes the channels ``c_k + B_k u_k``."""
    return center + jnp.einsum("kij,kj->ki", root, u)


def signs(gamma: Float[Array, " K"]) -> Float[Array, "K K"]:
    """The factors of the received powers in a margin: ``1 / gamma`` of the own, -1 of others."""
    return jnp.diag(1.0 / gamma + 1.0) - 1.0


def quality(
    channels: Complex[Array, "K n"], beams: Complex[Array, "K n"], gamma: Float[Array, " K"]
) -> Float[Array, " K"]:
    """Computes ``|h_k^H v_k|^2 / gamma_k - sum_(l != k) |h_k^H v_l|^2``, at least 1 if met."""
    received = jnp.einsum("ki,li->kl", channels.conj(), beams)
    return jnp.sum(signs(gamma) * (received.real**2 + received.imag**2), axis=1)


@in_double
def find_worst(
    center: Complex[Array, "K n"],
    root: Complex[Array, "K n m"],
    beams: Complex[Array, "K n"],
    gamma: Float[Array, " K"],
) -> Worst:
    r"""Minimises the margin of every user over its ellipsoid, a trust-region problem.

    .. math:: \min_{\|u\| \le 1} \; h^H M_k h, \quad h = c_k + B_k u, \quad
        M_k = v_k v_k^H / \gamma_k - \sum_{l \ne k} v_l v_l^H

    A minimiser lies in the span of the :math:`B_k^H v_l`, so the problem has K dimensions. By
    Danskin's theorem the derivative of the margin is that at the minimiser.

    Args:
      center: centres, (K, n).
      root: :math:`B_k`, the images of the unit ball, (K, n, m); m = 0 for perfect channels.
      beams: the beams :math:`v_k`, (K, n).
      gamma: targets, ratios above 0, (K,).
    """
    if root.shape[-1] == 0:
        u = jnp.zeros((root.shape[0], 0), complex)
        return Worst(u, quality(center, beams, gamma), jnp.zeros_like(gamma))
    frozen = jax.lax.stop_gradient((center, root, beams, gamma))
    u, multiplier = jax.vmap(_minimise, in_axes=(0, 0, None, 0))(
        frozen[0], frozen[1], frozen[2], signs(frozen[3])
    )
    return Worst(u, quality(channels_at(center, root, u), beams, gamma), multiplier)


def _minimise(center, root, beams, sign):
    """Solves the problem of one user in an orthonormal basis of the span."""
    images = jnp.einsum("ij,li->jl", root.conj(), beams)
    basis, upper = jnp.linalg.qr(images)
    weighted = upper * sign[None]
    hessian = weighted @ upper.conj().T
    linear = weighted @ (center.conj() @ beams.T).conj()
    w, vectors = jnp.linalg.eigh(0.5 * (hessian + hessian.conj().T), symmetrize_input=False)
    x, t = _secular(w, vectors.conj().T @ linear)
    return basis @ (vectors @ x), t


def _secular(w, b):
    """Finds ``t`` with ``|x| = 1`` for ``x = -b / (w + t)``, or ``t = 0`` inside the ball."""
    size = jnp.abs(b)
    norm = jnp.sqrt(jnp.sum(size**2))
    scale = jnp.maximum(jnp.max(jnp.abs(w)), norm)
    tiny = 1e-30 + 1e-15 * scale
    low = jnp.maximum(jnp.maximum(0.0, -w[0]), jnp.max(size - w))
    high = jnp.maximum(low, norm - w[0])

    def step(_, state):
        t, low, high = state
        shifted = jnp.maximum(w + t, tiny)
        length = jnp.sqrt(jnp.sum((size / shifted) ** 2))
        slope = jnp.sum(size**2 / shifted**3) / jnp.maximum(length, 1e-300)
        low, high = jnp.where(length > 1.0, t, low), jnp.where(length > 1.0, high, t)
        new = t + (length - 1.0) * length / jnp.maximum(slope, 1e-300)
        return jnp.where((new > low) & (new < high), new, 0.5 * (low + high)), low, high

    t, _, _ = jax.lax.fori_loop(0, _STEPS, step, (low, low, high))
    inside = (w[0] > tiny) & (jnp.sum((size / jnp.maximum(w, tiny)) ** 2) <= 1.0)
    t = jnp.where(inside, 0.0, t)
    x = jnp.where(w + t > tiny, -b / jnp.maximum(w + t, tiny), 0.0)
    return jnp.where(inside, x, _on_sphere(x)), t


def _on_sphere(x):
    """Moves a point in the ball to the sphere along the least eigenvector.

    Nothing is missing but in the hard case of the trust region, or by rounding.
    """
    missing = 1.0 - jnp.sum(jnp.abs(x) ** 2)
    first = jnp.abs(x[0])
    phase = jnp.where(first > 0, x[0] / jnp.where(first > 0, first, 1.0), 1.0)
    return x.at[0].set(phase * jnp.sqrt(jnp.maximum(first**2 + missing, 0.0)))
