"""The positions along the axes of a traced program, and the ties between them."""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from sgl_jax.compaction.axes._disjoint_sets import Axis, DisjointSets
from sgl_jax.compaction.axes._grid import Grid
from sgl_jax.compaction.program import Equation, Program, all_equations


__all__ = ["Axes", "Contraction", "Structure"]

Axes: TypeAlias = tuple[Axis, ...]
"""One :data:`Axis` for every axis of an array."""


@dataclasses.dataclass(frozen=True, eq=False)
class Contraction:
    """A sum over positions, after which they are gone.

    Attributes:
      equation: the operation.
      axes: the axis summed over, of the first operand and, in a product, of the second.
      summed: for each of these operands all axes that are summed over at once.
    """

    equation: Equation
    axes: tuple[int, ...]
    summed: tuple[tuple[int, ...], ...]

    @property
    def single(self) -> bool:
        """True if no other axis is summed over at once."""
        return all(len(axes) == 1 for axes in self.summed)


class Structure:
    """The ties between the axes of a program, which follow from its shapes alone.

    Attributes:
      program: the program.
      axes: for every value its axes.
      sets: the disjoint sets of their positions.
      contractions: the sums over positions.
      ties: axes that were tied to another, with the equation that tied them.
      unknown: equations without a rule that met an axis and need it whole.
      windows: axes that a window slides over.
      repeated: axes along which an array is repeated.
      static: values that depend on no argument, where they are small: indices.
    """

    def __init__(self, program: Program, sets: DisjointSets | None = None) -> None:
        self.program = program
        self.sets = sets or DisjointSets()
        self.axes: dict[int, Axes] = {}
        self.contractions: list[Contraction] = []
        self.ties: list[tuple[np.ndarray, Equation]] = []
        self.unknown: list[Equation] = []
        self.windows: list[np.ndarray] = []
        self.repeated: list[np.ndarray] = []
        self.static: dict[int, np.ndarray] = {}

    @functools.cached_property
    def uses(self) -> dict[int, list[Equation]]:
        """For every value the equations that read it."""
        found: dict[int, list[Equation]] = {}
        for equation in all_equations(self.program.equations):
            for value in equation.reads:
                found.setdefault(value, []).append(equation)
        return found

    @functools.cached_property
    def makers(self) -> dict[int, Equation]:
        """For every result of an equation that equation."""
        made = all_equations(self.program.equations)
        return {value: equation for equation in made for value in equation.outputs}

    def read_once(self, value: int) -> bool:
        """True if one equation reads a value, and the value is no output."""
        return len(self.uses.get(value, ())) == 1 and value not in self.program.outputs

    def shape(self, value: int) -> tuple[Any, ...]:
        """Shape of a value."""
        return self.program.shape(value)

    def new_axes(self, shape: Sequence[Any]) -> Axes:
        """Axes of new positions.

        An axis of one position stays whole, and so does one whose size is a symbol.
        """
        return tuple(self.sets.new(n) if isinstance(n, int) and n > 1 else None for n in shape)

    def tie(self, axes: Sequence[Axis], equation: Equation) -> Axis:
        """Ties axes of one length position by position, and returns one of them.

        An axis that stays whole keeps the others whole; if all do the result is ``None``.
        """
        found = [axis for axis in axes if axis is not None]
        for axis in found[1:]:
            self.sets.union(found[0], axis)
            self.ties.append((axis, equation))
        if not found or len(found) == len(axes):
            return found[0] if found else None
        self.sets.protect(found[0], f"{equation} joins it with an axis that is not sliced")
        return found[0]

    def merge(self, axes: Sequence[Axis], shape: Sequence[Any], equation: Equation) -> Axis:
        """Merges axes into one, along which the last changes fastest.

        Args:
          axes: the axes.
          shape: their sizes.
          equation: the operation that merges them.
        """
        start = _after_symbols(shape)
        axes, shape = axes[start:], shape[start:]
        tracked = [k for k, axis in enumerate(axes) if axis is not None]
        if not tracked:
            return None
        factors = tuple(np.asarray(axes[k]) for k in tracked)
        sizes = tuple(shape[k] for k in tracked)
        merged = factors[0]
        if len(tracked) > 1:
            merged = self.sets.new(math.prod(sizes)).reshape(sizes)
            self.sets.grids.append(Grid(merged, factors, equation, split=False))
        whole = [k for k in range(len(shape)) if k not in tracked]
        return np.broadcast_to(np.expand_dims(merged, whole), shape).reshape(-1)

    def split(self, axis: Axis, shape: Sequence[Any], equation: Equation) -> Axes:
        """Splits an axis into several, of which one along which nothing changes stays whole.

        Args:
          axis: the axis.
          shape: the sizes of the axes that it is split into.
          equation: the operation that splits it.
        """
        if axis is None or len(shape) == 1:
            return (axis,) * len(shape)
        start = _after_symbols(shape)
        if start:
            return (*(None,) * start, *self.split(axis, shape[start:], equation))
        grid = axis.reshape(shape)
        found: list[Axis] = [None] * len(shape)
        changing = [k for k in range(len(shape)) if (grid != grid.take([0], axis=k)).any()]
        if not changing:
            self.protect(axis, equation)
            return tuple(found)
        grid = grid[tuple(slice(None) if k in changing else 0 for k in range(len(shape)))]
        factors = (grid,)
        if len(changing) > 1:
            factors = tuple(self.sets.new(size) for size in grid.shape)
            self.sets.grids.append(Grid(grid, factors, equation, split=True))
        for k, factor in zip(changing, factors, strict=True):
            found[k] = factor
        return tuple(found)

    def contract(self, axes: Sequence[Axis], contraction: Contraction) -> None:
        """Ties the axes that a product sums over, and records the sum."""
        if self.tie(axes, contraction.equation) is not None:
            self.contractions.append(contraction)

    def protect(self, axis: Axis, equation: Equation, why: str = "needs it whole") -> None:
        """Keeps an axis whole for the sake of an equation."""
        if axis is not None:
            self.sets.protect(axis, f"{equation} {why}")

    def protect_window(self, axis: Axis, equation: Equation) -> None:
        """Keeps an axis whole that a window slides over; its positions are no channels."""
        self.protect(axis, equation, "slides over it")
        if axis is not None:
            self.windows.append(axis)


def _after_symbols(shape: Sequence[Any]) -> int:
    """The axis after the last one whose size is a symbol."""
    return max((k + 1 for k, size in enumerate(shape) if not isinstance(size, int)), default=0)
