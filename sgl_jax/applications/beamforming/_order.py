"""The rank of the sample that gives a radius, by the binomial law."""

import math

import numpy as np


__all__ = ["binomial", "find_order"]


def find_order(count: int, eps: float, delta: float) -> int:
    r"""Finds the rank of the sample whose distance covers a share with some confidence.

    It is the smallest r with :math:`\Pr(\mathrm{Bin}(T, 1 - \varepsilon) \le r - 1) \ge 1 -
    \delta`, whatever the law of the samples.

    Args:
      count: number T of samples.
      eps: share that may lie outside, in (0, 1).
      delta: probability of a set that is too small, in (0, 1).

    Raises:
      ValueError: no rank will do, since there are too few samples.

    References:
      Hong, Huang and Lam, Learning-based robust optimization: procedures and statistical
      guarantees, arXiv 1704.04342, 2017.

    Example:
      >>> from sgl_jax.applications import beamforming as bf
      >>> bf.find_order(100, 0.05, 0.05)
      99
    """
    for name, given in {"eps": eps, "delta": delta}.items():
        if not 0.0 < given < 1.0:
            raise ValueError(f"A share {name} needs to be between 0 and 1, got {given}.")
    reached = np.cumsum(binomial(count, 1.0 - eps))[:count]
    enough = np.flatnonzero(reached >= 1.0 - delta)
    if not enough.size:
        needed = math.ceil(math.log(delta) / math.log1p(-eps))
        raise ValueError(
            f"A radius with eps={eps} and delta={delta} needs at least {needed} samples of every "
            f"user for the size alone, got {count}."
        )
    return int(enough[0]) + 1


def binomial(count: int, p: float) -> np.ndarray:
    """Computes the probabilities of 0 to ``count`` successes."""
    at = np.arange(count + 1)
    ways = [math.lgamma(count + 1) - math.lgamma(i + 1) - math.lgamma(count - i + 1) for i in at]
    return np.exp(np.array(ways) + at * math.log(p) + (count - at) * math.log1p(-p))
