r"""The number kappa of every limit with a given pattern of active entries, by bisection in NumPy.

With the entries as functions of :math:`m = \kappa - \beta`, a limit is a root of
:math:`|w(m)| - 1`. On the largest roots the norm falls, so that there is at most one; with one
entry on its middle root there may be several.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sgl_jax.applications.binarised._rules import Rule


__all__ = ["Patterns", "bisect", "magnitudes", "solve", "solve_middle", "solve_one_active"]

Values = NDArray[np.float64]

_SMALLEST = 1e-13
"""The least m over c that is searched."""

_GRID = np.concatenate([np.geomspace(1e-6, 0.5, 300), 1.0 - np.geomspace(0.5, 1e-12, 300)[1:], [1]])
"""Shares of the largest m, closer towards both ends."""

_STEPS = 60
"""Enough to halve any ratio here down to rounding."""


class Patterns(NamedTuple):
    """Active entries to try, one pattern in each row.

    Attributes:
      on: True where the prox leaves an entry.
      middle: True where it is on its middle root; in one entry of a row at most.
    """

    on: NDArray[np.bool_]
    middle: NDArray[np.bool_]


def bisect(holds: Callable[[Values], NDArray[np.bool_]], low: Values, high: Values) -> Values:
    """Finds the end of the region that begins at ``low``, on a scale of ratios.

    Args:
      holds: True where a number, one for each row, is in the region.
      low: numbers > 0 in the region.
      high: numbers beyond it.
    """
    for _ in range(_STEPS):
        middle = np.sqrt(low) * np.sqrt(high)
        inside = holds(middle)
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return low


def magnitudes(rule: Rule, b: Values, patterns: Patterns, m: Values) -> Values:
    """Computes the magnitudes of all entries.

    Args:
      rule: the penalty.
      b: ``c`` times the magnitudes of the true filter.
      patterns: what is active.
      m: numbers that broadcast against the entries.
    """
    active = rule.active(b, m)
    if patterns.middle.any():
        active = np.where(patterns.middle, rule.active(b, m, middle=True), active)
    return np.where(patterns.on, active, b / (rule.beta + m))


def _end(rule: Rule, b: Values, c: Values, on: NDArray[np.bool_]) -> Values:
    """Finds the largest m at which all active entries have a root, as for every smaller one."""

    def there(m: Values) -> NDArray[np.bool_]:
        return np.all(np.isfinite(rule.active(b, m[:, None])) | ~on, axis=1)

    return np.where(there(2.0 * c), 2.0 * c, bisect(there, _SMALLEST * c, 2.0 * c))


def solve(rule: Rule, b: Values, c: Values, patterns: Patterns) -> Values:
    """Finds ``m > 0`` for each pattern without entries on a middle root.

    Args:
      rule: the penalty.
      b: ``c`` times the magnitudes of the true filter, a row for each pattern.
      c: the constant of each row.
      patterns: what is active.

    Returns:
      One number for each row; not a number where there is no limit.
    """

    def norm(m: Values) -> Values:
        return np.sum(magnitudes(rule, b, patterns, m[:, None]) ** 2, axis=1)

    low, end = _SMALLEST * c, _end(rule, b, c, patterns.on)
    m = bisect(lambda m: norm(m) > 1.0, low, end)
    found = (norm(low) > 1.0) & (norm(end) <= 1.0)
    return np.where(found, m, np.nan)


def solve_middle(
    rule: Rule, b: Values, c: Values, patterns: Patterns
) -> tuple[NDArray[np.intp], Values]:
    """Finds every ``m > 0`` of patterns with an entry on its middle root.

    Args:
      rule: the penalty.
      b: ``c`` times the magnitudes of the true filter, a row for each pattern.
      c: the constant of each row.
      patterns: what is active.

    Returns:
      The rows, and a number for each.
    """
    grid = _end(rule, b, c, patterns.on)[:, None] * _GRID
    wide = Patterns(*(part[:, None, :] for part in patterns))
    norms = np.sum(magnitudes(rule, b[:, None, :], wide, grid[:, :, None]) ** 2, axis=2) - 1.0
    rows, places = np.nonzero(norms[:, :-1] * norms[:, 1:] < 0)
    low, high, sign = grid[rows, places], grid[rows, places + 1], np.sign(norms[rows, places])
    chosen = Patterns(*(part[rows] for part in patterns))

    def before(m: Values) -> NDArray[np.bool_]:
        norm = np.sum(magnitudes(rule, b[rows], chosen, m[:, None]) ** 2, axis=1)
        return sign * (norm - 1.0) > 0

    return rows, bisect(before, low, high)


def solve_one_active(rule: Rule, b: float, c: float, share: float) -> list[tuple[float, float]]:
    r"""Finds limits with one active entry, for any kappa > 0.

    The other entries are :math:`c w^*_i / \kappa`, so that kappa follows from the magnitude of the
    active one.

    Args:
      rule: the penalty.
      b: ``c`` times that entry of the true filter, with the sign relative to that of the limit.
      c: the constant.
      share: norm of the other entries of the true filter, > 0.

    Returns:
      The magnitudes of the active entry, and kappa.
    """

    def kappa(rest: Values) -> Values:
        return c * share / rest

    def excess(rest: Values) -> Values:
        v = np.sqrt((1.0 - rest) * (1.0 + rest))
        above = v > rule.threshold
        shrunk = np.where(above, rule.shrink(np.where(above, v, 1.0 + rule.threshold)), np.nan)
        return kappa(rest) * v - rule.beta * shrunk - b

    # In the norm of the other entries, which may be tiny.
    grid = np.geomspace(1e-12, 1.0, 4000)
    values = excess(grid)
    (places,) = np.nonzero(values[:-1] * values[1:] < 0)
    sign = np.sign(values[places])
    rest = bisect(lambda r: sign * excess(r) > 0, grid[places], grid[places + 1])
    sizes = np.sqrt((1.0 - rest) * (1.0 + rest))
    return list(zip(sizes.tolist(), kappa(rest).tolist(), strict=True))
