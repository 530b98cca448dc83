"""Primitives without operands."""

from sgl_jax.compaction.axes import Axes, Structure
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules._primitive import Primitive


__all__ = ["SOURCES"]


def _tie(structure: Structure, equation: Equation) -> list[Axes]:
    return [structure.new_axes(structure.shape(value)) for value in equation.outputs]


SOURCES: dict[str, Primitive] = {"iota": Primitive(_tie)}
