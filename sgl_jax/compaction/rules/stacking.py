"""Stacking arrays along a new axis, taking them apart again, and repeating one along its axes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sgl_jax.compaction.axes import Axes, Axis, Fact, Slicing, Structure
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules._primitive import Primitive, bind_with


__all__ = ["STACKING"]


def _tie_stack(structure: Structure, equation: Equation) -> list[Axes]:
    columns = zip(*(structure.axes[value] for value in equation.inputs), strict=True)
    found = [structure.tie(column, equation) for column in columns]
    found.insert(equation.params["axis"], None)
    return [tuple(found)]


def _fact_stack(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
    at = equation.params["axis"]
    known = np.broadcast_arrays(*(fact.known for fact in facts))
    value = np.broadcast_arrays(*(fact.value for fact in facts))
    return [Fact(np.stack(known, at), np.stack(value, at))]


def _tie_unstack(structure: Structure, equation: Equation) -> list[Axes]:
    axes, at = structure.axes[equation.inputs[0]], equation.params["axis"]
    structure.protect(axes[at], equation)
    return [(*axes[:at], *axes[at + 1 :])] * len(equation.outputs)


def _fact_unstack(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
    at = equation.params["axis"]
    wide = facts[0].widen((at,), structure.shape(equation.inputs[0]))
    return [wide.map(lambda x, k=k: x.take(k, at)) for k in range(len(equation.outputs))]


def _tie_tile(structure: Structure, equation: Equation) -> list[Axes]:
    """A position is removed with all of its copies, so they have its number."""
    found: list[Axis] = []
    (value,), reps = equation.inputs, equation.params["reps"]
    for axis, size, count in zip(structure.axes[value], structure.shape(value), reps, strict=True):
        if size == 1:
            structure.protect(axis, equation)
            found += structure.new_axes((count,))
        else:
            found.append(None if axis is None else np.tile(axis, count))
    return [tuple(found)]


def _fact_tile(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
    """The copies of known entries are known; an axis of one position says the same for all."""

    def tiled(x: np.ndarray) -> np.ndarray:
        pairs = zip(x.shape, equation.params["reps"], strict=True)
        return np.tile(x, [count if size > 1 else 1 for size, count in pairs])

    return [facts[0].map(tiled)]


def _narrow_tile(slicing: Slicing, equation: Equation, arguments: list[Any]) -> list[Any]:
    sizes = zip(arguments[0].shape, slicing.shape(equation.outputs[0]), strict=True)
    pairs = zip(sizes, equation.params["reps"], strict=True)
    reps = tuple(after if before == 1 else count for (before, after), count in pairs)
    return bind_with(equation, arguments, reps=reps)


STACKING: dict[str, Primitive] = {
    "stack": Primitive(_tie_stack, _fact_stack),
    "tile": Primitive(_tie_tile, _fact_tile, _narrow_tile),
    "unstack": Primitive(_tie_unstack, _fact_unstack),
}
