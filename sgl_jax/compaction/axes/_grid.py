"""Positions of merged axes, which stay where the positions of all these axes do."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from sgl_jax.compaction.program import Equation


__all__ = ["Grid"]


@dataclasses.dataclass(frozen=True, eq=False)
class Grid:
    """The positions along an axis that is the product of several: heads and head dimensions, say.

    A position stays if, and only if, all of its factors do, so whole rows and columns are removed.

    Attributes:
      positions: the positions along the merged axis, with an axis for each factor.
      factors: the positions along each of the axes.
      equation: the operation that merges these axes, or splits the merged one.
      split: True if it splits.
    """

    positions: np.ndarray
    factors: tuple[np.ndarray, ...]
    equation: Equation
    split: bool

    @property
    def slices(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """For every axis its positions, and in a row for each those of the merged axis."""
        for k, factor in enumerate(self.factors):
            yield factor, np.moveaxis(self.positions, k, 0).reshape(len(factor), -1)

    def combine(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """For every position, along a first axis, the values of all of its factors."""
        return np.stack(np.meshgrid(*values, indexing="ij"))
