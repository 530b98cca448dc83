"""The factors of merged axes by which channels are grouped: heads or head dimensions, say."""

from typing import Any

import numpy as np

from sgl_jax.compaction.axes import Grid, Structure, close


__all__ = ["choose_factors"]


def choose_factors(structure: Structure, heads: np.ndarray, whole: bool) -> None:
    """Protects all but one factor of every grid, so that no position is in two groups.

    Args:
      structure: the network, read.
      heads: the positions of heads.
      whole: choose heads before all other factors, and not after them.
    """
    choice = _Choice(structure, heads, whole)
    for grid in structure.sets.grids:
        choice.decide(grid)
    close(structure.sets)


class _Choice:
    """The choice of factors, one grid after the other."""

    def __init__(self, structure: Structure, heads: np.ndarray, whole: bool) -> None:
        self._structure, self._whole = structure, whole
        self._heads = structure.sets.find(heads)
        own = np.ones(len(structure.sets), bool)
        for axis in structure.repeated:
            own[axis] = False
        self._own = structure.sets.find(np.flatnonzero(own))
        self._chosen = np.zeros(0, int)

    def decide(self, grid: Grid) -> None:
        """Chooses one of the factors that may lose positions, and protects the others."""
        reasons = self._structure.sets.reasons()
        free: dict[int, np.ndarray] = {}
        for k, factor in enumerate(grid.factors):
            roots = np.setdiff1d(self._structure.sets.find(factor), list(reasons))
            if roots.size:
                free[k] = roots
        if not free:
            return
        best = max(free, key=lambda k: self._merit(grid, k, free[k]))
        self._chosen = np.concatenate([self._chosen, free[best]])
        for k in free.keys() - {best}:
            why = "has it beside the axis by which channels are grouped"
            self._structure.protect(grid.factors[k], grid.equation, why)

    def _merit(self, grid: Grid, k: int, roots: np.ndarray) -> tuple[Any, ...]:
        """Compares factors: heads; others than mere repetition; factors of an earlier grid.

        Of several heads the first comes first. Else a split axis is grouped by the factor of the
        most groups, and the last comes first.
        """
        are_heads = bool(np.isin(roots, self._heads).any())
        return (
            are_heads == self._whole,
            np.isin(roots, self._own).any(),
            np.isin(roots, self._chosen).any(),
            -k if are_heads else 0,
            len(roots) if grid.split else 0,
            k,
        )
