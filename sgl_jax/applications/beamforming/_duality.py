"""Perfect channels: beams of least power by the duality of uplink and downlink."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from sgl_jax.applications.beamforming._linear import solve_small
from sgl_jax.applications.beamforming._worst import signs


__all__ = ["Uplink", "ascend", "receive", "scale_powers"]


class Uplink(NamedTuple):
    """Receivers of the dual uplink, at given prices of the users' targets.

    Attributes:
      beams: receivers, not normalised, zero off the mask, (K, n).
      received: ``h_k^H w_l`` of user k and beam l, (K, K).
      needed: the prices at which every user would just meet its target, (K,).
    """

    beams: Complex[Array, "K n"]
    received: Complex[Array, "K K"]
    needed: Float[Array, " K"]


def receive(
    channels: Complex[Array, "K n"],
    inverse_cost: Float[Array, "K n"],
    gamma: Float[Array, " K"],
    prices: Float[Array, " K"],
) -> Uplink:
    r"""Computes :math:`w_k = (W_k + \sum_{l \ne k} \lambda_l h_l h_l^H)^{-1} h_k` for all users.

    By Woodbury's identity all of it happens in the K x K Gram matrices of the channels in the
    metric of :math:`W_k^{-1}`, which is zero off the mask.

    Args:
      channels: (K, n).
      inverse_cost: the diagonals of :math:`W_k^{-1}`, (K, n).
      gamma: targets, (K,).
      prices: :math:`\lambda`, (K,).
    """
    users = jnp.eye(len(gamma))
    gram = jnp.einsum("li,ki,mi->klm", channels.conj(), inverse_cost, channels)
    root = jnp.sqrt(jnp.maximum(prices, 0.0))[None] * (1.0 - users)
    system = users[None] + root[:, :, None] * gram * root[:, None]
    right = root * jnp.einsum("klk->kl", gram)
    mix = users - root * solve_small(system, right[:, :, None])[..., 0]
    received = jnp.einsum("klm,km->lk", gram, mix)
    beams = inverse_cost * (mix @ channels)
    own = jnp.diagonal(received).real
    return Uplink(beams, received, gamma / jnp.maximum(own, 1e-300))


def newton_prices(uplink: Uplink, prices: Float[Array, " K"]) -> Float[Array, " K"]:
    """Takes a step of Newton's method for ``prices = needed(prices)``, or a plain one instead."""
    own = jnp.diagonal(uplink.received).real
    cross = jnp.abs(uplink.received.T) ** 2 * (1.0 - jnp.eye(len(own)))
    slope = (uplink.needed / jnp.maximum(own, 1e-300))[:, None] * cross
    step = solve_small(jnp.eye(len(own)) - slope, (uplink.needed - prices)[:, None])[:, 0]
    new = prices + step
    # The needed prices are concave: Newton's steps end above the solution, or are none.
    good = jnp.all((new > 0.5 * uplink.needed) & (new < 100.0 * uplink.needed))
    return jnp.where(good, new, uplink.needed)


def ascend(
    channels: Complex[Array, "K n"],
    inverse_cost: Float[Array, "K n"],
    gamma: Float[Array, " K"],
    prices: Float[Array, " K"],
    steps: int,
) -> tuple[Float[Array, " K"], Uplink]:
    """Takes steps towards the prices at which all targets are met.

    Args:
      channels: (K, n).
      inverse_cost: as in :func:`receive`, (K, n).
      gamma: targets, (K,).
      prices: where to start, (K,).
      steps: number of steps of Newton's method.

    Returns:
      The prices and the receivers at them.
    """

    def step(_, carry):
        ahead, _, _ = carry
        uplink = receive(channels, inverse_cost, gamma, ahead)
        return newton_prices(uplink, ahead), ahead, uplink

    users = len(gamma)
    nothing = jnp.zeros((users, users), complex)
    begin = (prices, prices, Uplink(jnp.zeros_like(channels), nothing, prices))
    _, prices, uplink = jax.lax.fori_loop(0, steps + 1, step, begin)
    return prices, uplink


def scale_powers(received: Complex[Array, "K K"], gamma: Float[Array, " K"]) -> Float[Array, " K"]:
    """Computes the powers of beams at which every user just meets its target.

    Some are negative, or not finite, if no powers do.
    """
    system = signs(gamma) * jnp.abs(received) ** 2
    return solve_small(system, jnp.ones_like(gamma)[:, None])[:, 0]
