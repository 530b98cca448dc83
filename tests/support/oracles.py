"""Penalties in NumPy, written from their equations; the package is not called."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import mpmath as mp
import numpy as np


class Scalar(NamedTuple):
    """A penalty that is a function of a norm, and what to test it with.

    Attributes:
      phi: ``phi(t, lam, **shape)`` for ``t >= 0``.
      slopes: its first and second derivative for ``t > 0``, likewise, in the arithmetic of mpmath.
      shapes: shape parameters to test it with, exact in float32.
      kinks: ``kinks(lam, **shape)``, the t > 0 at which the formula of phi changes.
      threshold: ``threshold(step, lam, **shape)``, the largest norm that is set to zero; by default
        that of a smooth concave function.
      bounds: ``bounds(**shape)``, step sizes at which the closed form of the prox changes.
      ties: shape, lam, step, an input with two minimisers or at the end of zero, the smaller one.
      superlinear: True if it grows faster than the norm, and so overflows before it.
    """

    phi: Callable
    slopes: Callable
    shapes: Sequence[dict[str, float]] = ({},)
    kinks: Callable = lambda lam, **shape: ()
    threshold: Callable | None = None
    bounds: Callable | None = None
    ties: Sequence[tuple] = ()
    superlinear: bool = False


def threshold(name, step, lam, **shape):
    """The largest norm that the penalty sets to zero."""
    scalar = SCALARS[name]
    if scalar.threshold is not None:
        return scalar.threshold(step, lam, **shape)
    return _of_concave(scalar.phi, step, lam, **shape)


def _of_concave(phi, step, lam, **shape):
    """The threshold of a smooth concave penalty: the least t that some z > 0 does better at."""
    step = np.asarray(step, float)[..., None]
    z = np.logspace(-10, 10, 4001)
    for _ in range(3):
        cost = z / 2 + step * phi(z, lam, **shape) / z
        best = np.take_along_axis(z + 0 * step, cost.argmin(-1)[..., None], -1)
        z = best * np.linspace(0.98, 1.02, 401)
    return cost.min(-1)


def _capped_l1_threshold(step, lam, theta):
    c = step * lam
    return np.where(c <= 2 * theta, c, np.sqrt(2 * c * theta))


def _etp_slopes(z, lam, gamma):
    slope = lam * gamma * mp.exp(-gamma * z) / -mp.expm1(-gamma)
    return slope, -gamma * slope


def _mcp(t, lam, gamma):
    return np.where(t <= gamma * lam, lam * t - t**2 / (2 * gamma), gamma * lam**2 / 2)


def _mcp_threshold(step, lam, gamma):
    return np.where(step < gamma, step * lam, lam * np.sqrt(step * gamma))


def _scad(t, lam, a):
    middle = (2 * a * lam * t - t**2 - lam**2) / (2 * (a - 1))
    return np.where(t <= lam, lam * t, np.where(t <= a * lam, middle, lam**2 * (a + 1) / 2))


def _scad_slopes(z, lam, a):
    if z <= lam:
        return lam, 0
    return ((a * lam - z) / (a - 1), -1 / (a - 1)) if z < a * lam else (0, 0)


def _scad_threshold(step, lam, a):
    return np.where(step <= a + 1, step * lam, lam * np.sqrt(step * (a + 1)))


def _transformed_l1_threshold(step, lam, a):
    c = step * lam
    return np.where(c <= a**2 / (2 * (a + 1)), c * (a + 1) / a, np.sqrt(2 * c * (a + 1)) - a / 2)


SCALARS = {
    "capped_l1": Scalar(
        phi=lambda t, lam, theta: lam * np.minimum(t, theta),
        slopes=lambda z, lam, theta: (lam if z < theta else 0, 0),
        shapes=[{"theta": 1.0}, {"theta": 0.25}],
        kinks=lambda lam, theta: (theta,),
        threshold=_capped_l1_threshold,
        bounds=lambda theta: (2 * theta,),
        ties=[
            ({"theta": 1.0}, 0.5, 1.0, 0.5, 0.0),
            ({"theta": 1.0}, 0.5, 1.0, 1.25, 0.75),
            ({"theta": 1.0}, 1.0, 2.0, 2.0, 0.0),
            ({"theta": 1.0}, 1.0, 4.5, 3.0, 0.0),
        ],
    ),
    "elastic_net": Scalar(
        phi=lambda t, lam, gamma: lam * (t + gamma * t**2 / 2),
        slopes=lambda z, lam, gamma: (lam * (1 + gamma * z), lam * gamma),
        shapes=[{"gamma": 1.0}, {"gamma": 0.0}],
        threshold=lambda step, lam, gamma: step * lam,
        ties=[({"gamma": 1.0}, 0.5, 3.0, 1.5, 0.0)],
        superlinear=True,
    ),
    "etp": Scalar(
        phi=lambda t, lam, gamma: lam * np.expm1(-gamma * t) / np.expm1(-gamma),
        slopes=_etp_slopes,
        shapes=[{"gamma": 1.0}, {"gamma": 0.0625}, {"gamma": 30.0}],
        ties=[
            # Where 1 - exp(-gamma) is 1.
            ({"gamma": 64.0}, 2.0**-12, 1.0, 2.0**-6, 0.0),
            ({"gamma": 64.0}, 1.0, 2.0, 2.0, 0.0),
        ],
    ),
    "geman": Scalar(
        phi=lambda t, lam, gamma: lam * t / (t + gamma),
        slopes=lambda z, lam, gamma: (
            lam * gamma / (z + gamma) ** 2,
            -2 * lam * gamma / (z + gamma) ** 3,
        ),
        shapes=[{"gamma": 1.0}, {"gamma": 0.125}],
        ties=[
            ({"gamma": 1.0}, 0.25, 1.0, 0.25, 0.0),
            ({"gamma": 1.0}, 0.5, 4.0, 1.5, 0.0),
        ],
    ),
    "l0": Scalar(
        phi=lambda t, lam: lam * (t > 0),
        slopes=lambda z, lam: (0, 0),
        threshold=lambda step, lam: np.sqrt(2 * step * lam),
        ties=[({}, 1.0, 2.0, 2.0, 0.0)],
    ),
    "l1": Scalar(
        phi=lambda t, lam: lam * t,
        slopes=lambda z, lam: (lam, 0),
        threshold=lambda step, lam: step * lam,
        ties=[({}, 0.5, 3.0, 1.5, 0.0)],
    ),
    "log_sum": Scalar(
        phi=lambda t, lam, gamma: lam * np.log1p(t / gamma),
        slopes=lambda z, lam, gamma: (lam / (z + gamma), -lam / (z + gamma) ** 2),
        shapes=[{"gamma": 1.0}, {"gamma": 0.0625}],
        ties=[({"gamma": 1.0}, 0.5, 1.0, 0.5, 0.0)],
    ),
    "lq": Scalar(
        phi=lambda t, lam, q: lam * t**q,
        slopes=lambda z, lam, q: (lam * q * z ** (q - 1), lam * q * (q - 1) * z ** (q - 2)),
        shapes=[{"q": 0.5}, {"q": float(np.float32(2 / 3))}, {"q": 0.125}],
        ties=[({"q": 0.5}, 1.0, 1.0, 1.5, 0.0)],
    ),
    "mcp": Scalar(
        phi=_mcp,
        slopes=lambda z, lam, gamma: (lam - z / gamma, -1 / gamma) if z < gamma * lam else (0, 0),
        shapes=[{"gamma": 3.0}, {"gamma": 0.5}],
        kinks=lambda lam, gamma: (gamma * lam,),
        threshold=_mcp_threshold,
        bounds=lambda gamma: (gamma,),
        ties=[
            ({"gamma": 4.0}, 0.5, 1.0, 0.5, 0.0),
            ({"gamma": 4.0}, 0.5, 4.0, 2.0, 0.0),
            ({"gamma": 4.0}, 0.5, 9.0, 3.0, 0.0),
        ],
    ),
    "scad": Scalar(
        phi=_scad,
        slopes=_scad_slopes,
        shapes=[{"a": 3.75}, {"a": 2.25}],
        kinks=lambda lam, a: (lam, a * lam),
        threshold=_scad_threshold,
        bounds=lambda a: (a - 1, a + 1),
        ties=[
            ({"a": 3.0}, 0.5, 1.0, 0.5, 0.0),
            ({"a": 3.0}, 0.5, 3.0, 1.5, 0.0),
            ({"a": 3.0}, 0.5, 3.0, 1.75, 0.25),
            ({"a": 3.0}, 0.5, 4.0, 2.0, 0.0),
            ({"a": 3.0}, 0.5, 9.0, 3.0, 0.0),
        ],
    ),
    "transformed_l1": Scalar(
        phi=lambda t, lam, a: lam * (a + 1) * t / (a + t),
        slopes=lambda z, lam, a: (
            lam * a * (a + 1) / (a + z) ** 2,
            -2 * lam * a * (a + 1) / (a + z) ** 3,
        ),
        shapes=[{"a": 1.0}, {"a": 0.0625}, {"a": 100.0}],
        threshold=_transformed_l1_threshold,
        ties=[
            ({"a": 1.0}, 0.125, 1.0, 0.25, 0.0),
            ({"a": 1.0}, 0.25, 4.0, 1.5, 0.0),
        ],
    ),
}
"""The penalties of the catalogue that are functions of a norm: a new one is a row here."""

VECTORS = {
    "exclusive": [{}],
    "l1_minus_l2": [{"alpha": 1.0}, {"alpha": 0.5}, {"alpha": 0.0}],
}
"""Penalties that are no functions of a norm, with shape parameters to test them with."""

MATRICES = {"nuclear": "l1"}
"""Penalties of singular values, and what each of those costs."""

SHAPES = {name: scalar.shapes for name, scalar in SCALARS.items()} | VECTORS
BOUNDS = {name: scalar.bounds for name, scalar in SCALARS.items() if scalar.bounds is not None}
SUPERLINEAR = {name for name, scalar in SCALARS.items() if scalar.superlinear} | {"exclusive"}
TIES = [(name, *tie) for name, scalar in SCALARS.items() for tie in scalar.ties]

STEPS = np.logspace(-6, 6, 200)


def value(name, z, lam, **shape):
    """The penalty of one group with the entries ``z``."""
    norm = np.sqrt(np.sum(np.square(z)))
    if name == "exclusive":
        return lam * np.sum(np.abs(z)) ** 2 / 2
    if name == "l1_minus_l2":
        return lam * (np.sum(np.abs(z)) - shape["alpha"] * norm)
    return SCALARS[name].phi(norm, lam, **shape)


def inputs(name, lam, shape, steps):
    """Inputs of both signs for every step, ``(len(steps), ...)``: around all that may matter."""
    scalar, least = SCALARS[name], threshold(name, steps, lam, **shape)
    factors = (0.3, 1 - 1e-3, 1.0, 1 + 1e-3, 1.1, 2.0, 10.0)
    moving = [factor * least for factor in factors]
    if name == "scad":
        moving += [lam * (1 + steps), 0.5 * lam * (shape["a"] + 1 + steps), lam * steps]
    fixed = (0.0, *scalar.kinks(lam, **shape), 0.6 * shape.get("a", 1.0) * lam, 1e-3, 1.0, 40.0)
    columns = [*moving, *(np.full_like(steps, number) for number in fixed)]
    signs = np.where(np.arange(len(columns)) % 2, -1, 1)
    return np.stack(columns, axis=1) * signs


def transformed_l1_prox(t, step, lam, a):
    """The prox by bisection for the largest root, and how it multiplies errors of the input."""
    c = step * lam
    low = np.maximum(np.cbrt(2 * c * a * (a + 1)) - a, 0.0)
    high = t
    for _ in range(120):
        z = (low + high) / 2
        beyond = z - t + c * a * (a + 1) / (a + z) ** 2 > 0
        low, high = np.where(beyond, low, z), np.where(beyond, z, high)
    slope = 1 - 2 * c * a * (a + 1) / (a + high) ** 3
    alive = t > _transformed_l1_threshold(step, lam, a)
    return np.where(alive, high, 0.0), np.where(alive, 1 / np.maximum(slope, 1e-9), 1.0)
