"""Cumulative sums and the like, and sorting: primitives that mix the positions of one axis."""

import functools

from sgl_jax.compaction.axes import Axes, Structure
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules._primitive import Primitive


__all__ = ["CUMULATIVE"]


def _tie(structure: Structure, equation: Equation, *, parameter: str) -> list[Axes]:
    """The axis that ``parameter`` names stays whole; operands and results share the others."""
    operands = [structure.axes[value] for value in equation.inputs]
    for axes in operands:
        structure.protect(axes[equation.params[parameter]], equation)
    tied = tuple(structure.tie(column, equation) for column in zip(*operands, strict=True))
    return [tied] * len(equation.outputs)


CUMULATIVE: dict[str, Primitive] = {
    **dict.fromkeys(
        ("cumlogsumexp", "cummax", "cummin", "cumprod", "cumsum"),
        Primitive(functools.partial(_tie, parameter="axis")),
    ),
    "sort": Primitive(functools.partial(_tie, parameter="dimension")),
}
