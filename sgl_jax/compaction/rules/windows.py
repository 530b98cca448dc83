"""Pooling: reductions over sliding windows, and the gradient of the greatest."""

from collections.abc import Sequence

import numpy as np

from sgl_jax.compaction.axes import Axes, Fact, Structure
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules._lines import propagate_lines
from sgl_jax.compaction.rules._primitive import Primitive


__all__ = ["WINDOWS"]


def _tie(structure: Structure, equation: Equation) -> list[Axes]:
    """Axes along which a window slides stay whole; operands and results share the others."""
    slid, columns = _slid(equation), []
    count = len(equation.outputs) if equation.name == "reduce_window" else len(equation.inputs)
    operands = [structure.axes[value] for value in equation.inputs[:count]]
    for k, axes in enumerate(zip(*operands, strict=True)):
        for axis in axes if k in slid else ():
            structure.protect(axis, equation, "slides over it")
        columns.append(None if k in slid else structure.tie(axes, equation))
    return [tuple(columns)] * len(equation.outputs)


def _slid(equation: Equation) -> list[int]:
    """The axes along which a window slides, or that are padded."""
    params = equation.params
    sizes, strides = params["window_dimensions"], params["window_strides"]
    padding = params["padding"]
    gaps = params.get("base_dilation", (1,) * len(sizes))
    moved = zip(sizes, strides, gaps, padding, strict=True)
    return [k for k, (*steps, pads) in enumerate(moved) if steps != [1, 1, 1] or any(pads)]


def _fact(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact] | None:
    return propagate_lines(structure, equation, facts, _slid(equation))


def _fact_pool(
    structure: Structure, equation: Equation, facts: Sequence[Fact]
) -> list[Fact] | None:
    """The extremum of equal numbers is known; their sum, too, if no window has padding."""
    (fact,) = facts
    params = equation.params
    if any(x.shape[k] > 1 for k in _slid(equation) for x in (fact.known, fact.value)):
        return _fact(structure, equation, facts)
    if equation.name != "reduce_window_sum":
        return [fact]
    padded = any(any(pads) for pads in params["padding"]) or max(params["base_dilation"]) > 1
    known = fact.zero if padded else fact.known
    size = np.prod(params["window_dimensions"])
    return [Fact.of(known, (fact.value * size).astype(fact.value.dtype))]


WINDOWS: dict[str, Primitive] = {
    **dict.fromkeys(
        ("reduce_window_max", "reduce_window_min", "reduce_window_sum"),
        Primitive(_tie, _fact_pool),
    ),
    **dict.fromkeys(
        ("reduce_window", "select_and_gather_add", "select_and_scatter_add"),
        Primitive(_tie, _fact),
    ),
}
