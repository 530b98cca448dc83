"""Pooling: reductions over sliding windows."""

from collections.abc import Sequence

import numpy as np

from sgl_jax.compaction.axes import Axes, Axis, Fact, Structure
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules._primitive import Primitive


__all__ = ["WINDOWS"]


def _tie(structure: Structure, equation: Equation) -> list[Axes]:
    params = equation.params
    found: list[Axis] = []
    for k, axis in enumerate(structure.axes[equation.inputs[0]]):
        still = params["window_dimensions"][k] == 1 == params["window_strides"][k]
        if not still or any(params["padding"][k]) or params["base_dilation"][k] != 1:
            structure.protect_window(axis, equation)
            axis = None
        found.append(axis)
    return [tuple(found)]


def _fact(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact] | None:
    """The extremum of equal numbers is known; their sum, too, if no window has padding."""
    (fact,) = facts
    window, padding = equation.params["window_dimensions"], equation.params["padding"]
    dilation = equation.params["base_dilation"]
    moved = zip(padding, equation.params["window_strides"], dilation, strict=True)
    slid = [
        k
        for k, (pads, stride, gaps) in enumerate(moved)
        if window[k] > 1 or any(pads) or stride > 1 or gaps > 1
    ]
    if any(x.shape[k] > 1 for k in slid for x in (fact.known, fact.value)):
        return None
    if equation.name != "reduce_window_sum":
        return [fact]
    padded = any(any(pads) for pads in padding) or max(dilation) > 1
    known = fact.zero if padded else fact.known
    return [Fact.of(known, (fact.value * np.prod(window)).astype(fact.value.dtype))]


WINDOWS: dict[str, Primitive] = dict.fromkeys(
    ("reduce_window_max", "reduce_window_min", "reduce_window_sum"), Primitive(_tie, _fact)
)
