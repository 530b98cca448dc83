r"""The pull towards the true filter at norm 1, in NumPy: its size as a function of the angle.

On the sphere the part of the coarse gradient along the filter changes nothing, so that a limit for
any proxy is one for ``"relu"`` with :math:`\gamma(\theta)` in the place of :math:`c`.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


__all__ = ["GAMMAS", "NOISES", "Angles"]

Angles = NDArray[np.float64] | np.float64

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)
_T, _W = 6.0 * (_NODES + 1.0), 6.0 * _WEIGHTS
_DENSITY = _W * np.exp(-0.5 * _T**2) / np.pi
_ERF = np.vectorize(math.erf, otypes=[float])


def _identity(theta: Angles) -> Angles:
    return np.full_like(theta, 1.0 / math.sqrt(2.0 * math.pi))


def _relu(theta: Angles) -> Angles:
    return 0.5 * _identity(theta)


def _clipped(theta: Angles) -> Angles:
    sine = np.maximum(np.sin(theta), 1e-300)
    return _relu(theta) * _ERF(1.0 / (math.sqrt(2.0) * sine))


def _sigmoid(theta: Angles) -> Angles:
    t = np.sin(theta)[..., None] * _T
    return np.sum(_DENSITY * 0.25 / np.cosh(0.5 * t) ** 2, axis=-1)


GAMMAS: dict[str, Callable[[Angles], Angles]] = {
    "clipped": _clipped,
    "identity": _identity,
    "relu": _relu,
    "sigmoid": _sigmoid,
}
r"""By proxy, :math:`\gamma / (2 \rho k)` as a function of the angle."""

NOISES = {"identity": 2.0, "relu": 4.0}
r"""By proxy, the variance of the coarse gradient of an input, over :math:`\gamma^2 \theta`."""
