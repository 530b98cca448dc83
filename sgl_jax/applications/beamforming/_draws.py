"""Random networks: access points and users on a square, their channels, and samples of these.

The published simulations could not be read, so every setting here is one of this library.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, PRNGKeyArray

from sgl_jax.applications.beamforming._double import in_double
from sgl_jax.applications.beamforming._network import Network
from sgl_jax.applications.beamforming._units import from_db


__all__ = ["SIZES", "Draw", "draw", "sample"]

SIZES: dict[str, dict[str, Any]] = {
    "small": {"points": 3, "antennas": 2, "users": 3, "side": 800.0},
    "medium": {"points": 5, "antennas": 2, "users": 4, "side": 1000.0},
}
"""Numbers of access points, of antennas of each and of users, and the side of the square in m."""

SHADOWING_DB = 8.0
NOISE_DB = -132.0  # -102 dBm, in dB of a watt
ANTENNA_DB = 9.0


class Draw(NamedTuple):
    """A random network.

    Attributes:
      network: its costs, limits and targets.
      channels: the mean channels, over the standard deviation of the noise, (K, n), 1/sqrt(W).
      deviation: standard deviation of the error of every entry, (K, n), 1/sqrt(W).
      samples: channels with errors, to learn from, (K, T, n), 1/sqrt(W).
      points: places of the access points, (N, 2), m.
      users: places of the users, (K, 2), m.
    """

    network: Network
    channels: Complex[Array, "K n"]
    deviation: Float[Array, "K n"]
    samples: Complex[Array, "K T n"]
    points: Float[Array, "N 2"]
    users: Float[Array, "K 2"]


def normal(key, shape):
    """Draws circular complex normal numbers of unit power."""
    parts = jax.random.normal(key, (2, *shape)) / jnp.sqrt(2.0)
    return parts[0] + 1j * parts[1]


@in_double
def draw(
    key: PRNGKeyArray,
    *,
    size: str = "small",
    gamma_db: float = 6.0,
    error: float = 0.03,
    count: int = 200,
) -> Draw:
    r"""Draws a network at random, with settings of this library, not those of the paper.

    Access points and users are uniform on a square. With distances :math:`d` in km, at least 10 m,
    the gain in dB over the noise of -102 dBm is

    .. math:: -(148.1 + 37.6 \log_{10} d) + 9 + 8 \, \mathcal{N}(0, 1) + 132,

    and every antenna fades by Rayleigh's law. A pair of access point and task costs
    0.45 W times a uniform number from 0.7 to 1.3; amplifiers have an efficiency of 1/4, access
    points a limit of 1 W. Errors of channels are complex normal, ``error`` times the root of the
    gain. Some networks cannot meet their targets at all: at 6 dB, 34 of 500 small ones with perfect
    channels, 56 with learned sets.

    Args:
      key: a random key.
      size: a key of :data:`SIZES`, ``"small"`` or ``"medium"``.
      gamma_db: target of every user, in dB.
      error: standard deviation of the errors relative to the root of the gain, at least 0.
      count: number of channels to learn from, for every user.

    Raises:
      ValueError: the size is unknown.

    Example:
      >>> import jax
      >>> from sgl_jax.applications import beamforming as bf
      >>> found = bf.draw(jax.random.key(0), size="small")
      >>> found.samples.shape, found.network.pcomp.shape
      ((3, 200, 6), (3, 3))
    """
    if size not in SIZES:
        raise ValueError(f"A size needs to be one of {', '.join(SIZES)}, got {size!r}.")
    setting, keys = SIZES[size], jax.random.split(key, 6)
    count_points, users, antennas = (setting[name] for name in ("points", "users", "antennas"))
    xy = jax.random.uniform(keys[0], (count_points + users, 2), maxval=setting["side"])
    points, places = xy[:count_points], xy[count_points:]
    distance = jnp.linalg.norm(places[:, None] - points[None], axis=-1)
    loss = 148.1 + 37.6 * jnp.log10(jnp.maximum(distance, 10.0) / 1000.0)
    shadow = SHADOWING_DB * jax.random.normal(keys[1], (users, count_points))
    scale = jnp.sqrt(from_db(shadow + ANTENNA_DB - loss - NOISE_DB))
    scale = jnp.repeat(scale, antennas, axis=1)
    channels = scale * normal(keys[2], scale.shape)
    pcomp = 0.45 * jax.random.uniform(keys[3], (count_points, users), minval=0.7, maxval=1.3)
    network = Network(antennas=antennas, pcomp=pcomp, gamma=from_db(gamma_db))
    deviation = error * scale
    samples = _scatter(keys[4], channels, deviation, count)
    return Draw(network, channels, deviation, samples, points, places)


def _scatter(key, channels, deviation, count):
    users, n = channels.shape
    return channels[:, None] + deviation[:, None] * normal(key, (users, count, n))


@in_double
def sample(key: PRNGKeyArray, found: Draw, count: int) -> Complex[Array, "K count n"]:
    """Draws fresh channels of a network, with errors of the same law.

    Args:
      key: a random key.
      found: the network.
      count: number of channels for every user.
    """
    return _scatter(key, found.channels, found.deviation, count)
