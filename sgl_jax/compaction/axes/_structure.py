"""Which positions on which axes of a program are tied to which."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from sgl_jax.compaction.axes._disjoint_sets import Axis, Classes
from sgl_jax.compaction.program import Equation, Program, equations


__all__ = ["Axes", "Rule", "Sink", "Structure"]

Axes: TypeAlias = tuple[Axis, ...]
"""One :data:`Axis` for every axis of an array."""


@dataclasses.dataclass(frozen=True, eq=False)
class Sink:
    """Where positions vanish: an operation sums over them.

    Attributes:
      equation: the operation.
      axes: the axis summed over, of the first operand and, in a product, of the second.
      summed: for each of these operands all axes that are summed over at once.
    """

    equation: Equation
    axes: tuple[int, ...]
    summed: tuple[tuple[int, ...], ...]

    @property
    def alone(self) -> bool:
        """Whether no other axis is summed over at once."""
        return all(len(axes) == 1 for axes in self.summed)


class Structure:
    """The ties between the axes of a program, from its shapes alone.

    Attributes:
      program: the program.
      axes: for every value its axes.
      classes: the classes of their atoms.
      sinks: where positions are summed over.
      ties: what tied an axis to another.
      unknown: operations without a rule that met an axis and need it whole.
      loops: loops and branches, likewise, with the axes that they met.
      windows: axes that a window slides over.
      static: values that depend on no argument, where they are small: indices.
    """

    def __init__(self, program: Program, classes: Classes | None = None) -> None:
        self.program = program
        self.classes = classes or Classes()
        self.axes: dict[int, Axes] = {}
        self.sinks: list[Sink] = []
        self.ties: list[tuple[np.ndarray, Equation]] = []
        self.unknown: list[Equation] = []
        self.loops: list[tuple[Equation, list[np.ndarray]]] = []
        self.windows: list[np.ndarray] = []
        self.static: dict[int, np.ndarray] = {}

    @functools.cached_property
    def uses(self) -> dict[int, list[Equation]]:
        """For every value the equations that read it."""
        found: dict[int, list[Equation]] = {}
        for equation in equations(self.program.equations):
            for value in equation.inputs:
                found.setdefault(value, []).append(equation)
        return found

    @functools.cached_property
    def makers(self) -> dict[int, Equation]:
        """For every value that is made the equation that makes it."""
        made = equations(self.program.equations)
        return {value: equation for equation in made for value in equation.outputs}

    def read_once(self, value: int) -> bool:
        """Whether one equation reads a value, and nobody else."""
        return len(self.uses.get(value, ())) == 1 and value not in self.program.outputs

    def fresh(self, shape: Sequence[Any]) -> Axes:
        """Axes of atoms of their own.

        A single position is never removed, so it has none, and neither has a size that is a symbol.
        """
        return tuple(self.classes.fresh(n) if isinstance(n, int) and n > 1 else None for n in shape)

    def tie(self, axes: Sequence[Axis], equation: Equation) -> Axis:
        """Ties axes of one length position by position, and returns the axis they are now.

        One that has to stay whole keeps the others whole.
        """
        found = [axis for axis in axes if axis is not None]
        for axis in found[1:]:
            self.classes.tie(found[0], axis)
            self.ties.append((axis, equation))
        if not found or len(found) == len(axes):
            return found[0] if found else None
        self.classes.protect(found[0], f"{equation} joins it with an axis that is not sliced")
        return found[0]

    def protect(self, axis: Axis, equation: Equation, why: str = "needs it whole") -> None:
        """Keeps an axis whole for the sake of an equation."""
        if axis is not None:
            self.classes.protect(axis, f"{equation} {why}")

    def slide(self, axis: Axis, equation: Equation) -> None:
        """Keeps an axis whole that a window slides over; its positions are no channels."""
        self.protect(axis, equation, "slides over it")
        if axis is not None:
            self.windows.append(axis)

    def shape(self, value: int) -> tuple[Any, ...]:
        """Shape of a value."""
        return self.program.shape(value)

    def gone(self, axes: Axes, at: Sequence[int], equation: Equation) -> None:
        """Says that axes of one position are dropped or broadcast: the position stays."""
        for k in at:
            self.protect(axes[k], equation)


Rule: TypeAlias = Callable[[Structure, Equation], list[Axes] | None]
"""The axes of every result of an equation; ``None`` if it is used in a way there is no rule for."""
