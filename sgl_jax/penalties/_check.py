r"""A comparison of a penalty's declarations with its function, on a grid in float64."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from sgl_jax.penalties._norm import NormPenalty


__all__ = ["check_penalty"]

_GRID = np.concatenate([[0.0], np.geomspace(1e-8, 1e8, 4000)])
_STEPS = (0.01, 1.0, 100.0)
_ROUNDING = 1e-7
"""Share of a value that may be its rounding: ``1 - exp(-t)`` has an error of 2e-8 at 1e-8."""


def check_penalty(penalty: NormPenalty) -> None:
    r"""Refuses a penalty that is not what it declares.

    On 4,001 norms from 0 to :math:`10^8`, in float64, it compares :math:`\phi` with ``curvature``,
    ``half_quadratic`` and ``semiconcavity()``, by which a joint prox certifies its result, and
    ``prox_phi`` with the best point of the grid. A grid can refute a declaration, not prove it.

    Args:
      penalty: one whose parameters are numbers.

    Raises:
      ValueError: a declaration does not hold; the message says which, and where.

    Example:
      >>> import jax.numpy as jnp, sgl_jax as sgl
      >>> check_penalty(sgl.ScalarPenalty(lambda t: t**2, curvature="concave"))
      Traceback (most recent call last):
      ValueError: A penalty that declares its curvature concave needs a phi that is concave, ...
    """
    with jax.enable_x64(True):
        for required, violated in _declarations(penalty):
            if violated.any():
                raise ValueError(
                    f"A penalty {required}, got {type(penalty).__name__} where that fails at "
                    f"t={_GRID[np.argmax(violated)]:.3g}; correct the penalty or what it declares."
                )


def _declarations(penalty: NormPenalty) -> Iterator[tuple[str, np.ndarray]]:
    """Every requirement in words, and a mask of the grid points that violate it."""
    t, phi = _GRID, np.asarray(penalty.phi(jnp.asarray(_GRID)))
    yield "needs a phi that is 0 at 0 and nondecreasing", _falling(phi)
    if (curvature := penalty.curvature) != "unknown":
        words = f"that declares its curvature {curvature} needs a phi that is {curvature}"
        yield words, _bent_up(t, phi if curvature == "concave" else -phi)
    if penalty.half_quadratic:
        yield "that is half-quadratic needs a phi that is concave in t^2", _bent_up(t**2, phi)
    if (kappa := float(penalty.semiconcavity())) < np.inf:
        words = f"of semiconcavity {kappa:.3g} needs phi - {kappa:.3g} t^2 / 2 to be concave"
        bowl = 0.5 * kappa * t**2
        yield words, _bent_up(t, phi - bowl, phi + bowl)
    for step in _STEPS:
        words = f"needs a prox_phi that minimises its objective at step_size={step:g}"
        yield words, _beaten(penalty, phi, step)


def _falling(phi: np.ndarray) -> np.ndarray:
    rises = np.diff(phi, prepend=0.0)
    return ~(rises >= -_ROUNDING * np.abs(phi)) | ((_GRID == 0) & (phi != 0))


def _bent_up(x: np.ndarray, y: np.ndarray, size: np.ndarray | None = None) -> np.ndarray:
    """Points that lie below the chord of their neighbours, by more than rounding of ``size``."""
    size, widths = np.abs(y) if size is None else size, np.diff(x)
    slopes, errors = np.diff(y) / widths, _ROUNDING * (size[1:] + size[:-1]) / widths
    return np.pad(np.diff(slopes) > errors[1:] + errors[:-1], 1)


def _beaten(penalty: NormPenalty, phi: np.ndarray, step: float) -> np.ndarray:
    """Points whose prox costs more than a point of the grid does."""
    w = _GRID[:: len(_GRID) // 100]
    z = np.asarray(penalty.prox_phi(jnp.asarray(w), step))
    cost = step * np.asarray(penalty.phi(jnp.asarray(np.abs(z)))) + 0.5 * (z - w) ** 2
    least = (step * phi + 0.5 * (_GRID - w[:, None]) ** 2).min(1)
    beaten = np.zeros(_GRID.shape, bool)
    beaten[:: len(_GRID) // 100] = ~(cost <= least * (1.0 + _ROUNDING))
    return beaten
