"""Outage on samples of channels, and a radius that is no larger than it has to be."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from sgl_jax.applications.beamforming._double import ArrayLike, in_double
from sgl_jax.applications.beamforming._ellipsoids import Ellipsoids
from sgl_jax.applications.beamforming._network import Network
from sgl_jax.applications.beamforming._order import binomial
from sgl_jax.applications.beamforming._solve import Solution, solve


__all__ = ["Calibrated", "calibrate", "outage", "sinr"]


@in_double
def sinr(channels: Num[ArrayLike, "K T n"], beams: Num[ArrayLike, "K n"]) -> Float[Array, "K T"]:
    r"""Computes :math:`|h^H v_k|^2 / (\sum_{l \ne k} |h^H v_l|^2 + 1)` on channels of every user.

    Args:
      channels: (K, T, n), 1/sqrt(W).
      beams: (K, n), sqrt(W).

    Example:
      >>> import numpy as np
      >>> from sgl_jax.applications import beamforming as bf
      >>> float(bf.sinr(np.ones((1, 1, 2)), np.ones((1, 2)))[0, 0])
      4.0
    """
    received = jnp.einsum("ktn,ln->klt", jnp.asarray(channels, complex).conj(), beams)
    powers = jnp.abs(received) ** 2
    own = jnp.einsum("kkt->kt", powers)
    return own / (jnp.sum(powers, axis=1) - own + 1.0)


@in_double
def outage(
    channels: Num[ArrayLike, "K T n"],
    beams: Num[ArrayLike, "K n"],
    gamma: float | Float[ArrayLike, " K"] | Float[ArrayLike, ""],
) -> Float[Array, " K"]:
    """Computes the share of channels on which a user misses its target.

    Args:
      channels: (K, T, n), 1/sqrt(W); T of them resolve shares of 1 / T.
      beams: (K, n), sqrt(W).
      gamma: targets, ratios above 0, (K,) or one for all.

    Example:
      >>> import numpy as np
      >>> from sgl_jax.applications import beamforming as bf
      >>> float(bf.outage(np.ones((1, 1, 2)), np.ones((1, 2)), 4.1)[0])
      1.0
    """
    found = sinr(channels, beams)
    targets = jnp.broadcast_to(jnp.asarray(gamma, float), found.shape[:1])
    return jnp.mean((found < targets[:, None]).astype(float), axis=1)


class Calibrated(NamedTuple):
    """Sets with the smallest radius that passed.

    Attributes:
      sets: the sets.
      solution: the beams for them.
      scale: their radius over that of the sets that were given.
      outage: share of the third samples on which each user missed its target, (K,).
    """

    sets: Ellipsoids
    solution: Solution
    scale: float
    outage: Float[np.ndarray, " K"]


def passes(missed: int, count: int, eps: float, delta: float) -> bool:
    """Tests if so few misses would have probability at most ``delta``, were the share ``eps``."""
    return float(np.sum(binomial(count, eps)[: missed + 1])) <= delta


def calibrate(
    net: Network,
    sets: Ellipsoids,
    samples: Num[ArrayLike, "K T n"],
    *,
    eps: float = 0.05,
    delta: float = 0.05,
    scales: Sequence[float] = (0.25, 0.35, 0.5, 0.7, 1.0),
    **options: Any,
) -> Calibrated:
    r"""Finds the smallest radius whose beams keep the outage on a third sample.

    Learned sets are larger than a guarantee for beams needs. For every scale the beams are found,
    and the smallest passes on which every user misses its target so rarely that, were its outage
    :math:`\varepsilon`, the probability of that would be at most :math:`\delta` over the number
    of scales. The last scale is taken untested, since its guarantee is that of the sets.

    Args:
      net: the network.
      sets: learned sets.
      samples: a third sample, from which the sets were not learned, (K, T, n), 1/sqrt(W).
      eps: outage of every user, in (0, 1).
      delta: probability of a radius that is too small, in (0, 1).
      scales: of the radius, rising; the last is 1.
      **options: of :func:`solve`.

    Raises:
      ValueError: there are too few samples for any scale to pass.

    Example:
      >>> import jax
      >>> from sgl_jax.applications import beamforming as bf
      >>> found = bf.draw(jax.random.key(1), count=400)
      >>> sets = bf.learn_ellipsoids(found.samples[:, :200])
      >>> third = found.samples[:, 200:]
      >>> best = bf.calibrate(found.network, sets, third, scales=(0.75, 1.0), method="all_on")
      >>> best.scale
      0.75
    """
    count, share = samples.shape[1], delta / len(scales)
    if not passes(0, count, eps, share):
        needed = int(np.ceil(np.log(share) / np.log1p(-eps)))
        raise ValueError(
            f"A calibration with eps={eps}, delta={delta} and {len(scales)} scales needs at least "
            f"{needed} samples, got {count}."
        )
    for scale in scales[:-1]:
        tried = _try(net, sets, samples, scale, options)
        most = round(float(tried.outage.max()) * count)
        if bool(tried.solution.feasible) and passes(most, count, eps, share):
            return tried
    return _try(net, sets, samples, scales[-1], options)


def _try(net, sets, samples, scale, options):
    """Solves for sets of another radius, and counts the misses."""
    smaller = sets.scaled(scale)
    solution = solve(net, smaller, **options)
    missed = np.asarray(outage(samples, solution.beams, net.gamma))
    return Calibrated(smaller, solution, scale, missed)
