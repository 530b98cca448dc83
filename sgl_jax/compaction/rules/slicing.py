"""Slicing, at static and at dynamic positions."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from sgl_jax.compaction.axes import Axes, Fact, Slicing, Structure
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules._primitive import Primitive, bind_with


__all__ = ["SLICING", "narrow_dynamic_slice", "take_remaining"]


def _cuts(equation: Equation) -> list[tuple[int, Any, int]]:
    """Start, stop and step along every axis; the stop of a batch may be a symbol."""
    starts, stops = equation.params["start_indices"], equation.params["limit_indices"]
    steps = equation.params["strides"] or (1,) * len(starts)
    return list(zip(starts, stops, steps, strict=True))


def _tie_slice(structure: Structure, equation: Equation) -> list[Axes]:
    value = equation.inputs[0]
    return [
        tuple(
            axis if axis is None or cut == (0, size, 1) else axis[slice(*cut)]
            for axis, cut, size in zip(
                structure.axes[value], _cuts(equation), structure.shape(value), strict=True
            )
        )
    ]


def _fact_slice(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
    def sliced(x):
        pairs = zip(x.shape, _cuts(equation), strict=True)
        return x[tuple(slice(None) if n == 1 else slice(*cut) for n, cut in pairs)]

    return [facts[0].map(sliced)]


def _narrow_slice(slicing: Slicing, equation: Equation, arguments: list[Any]) -> list[Any]:
    (x,), (value,) = arguments, equation.inputs
    sizes = slicing.structure.shape(value)
    for axis, (mask, cut) in enumerate(zip(slicing.masks(value), _cuts(equation), strict=True)):
        if mask is None:
            x = lax.slice_in_dim(x, *cut, axis)
        elif cut != (0, sizes[axis], 1):
            x = take_remaining(x, mask, np.arange(*cut), axis)
    return [x]


def take_remaining(x: Any, mask: np.ndarray, positions: np.ndarray, axis: int) -> Any:
    """Takes positions along an axis, without those that were removed from it.

    Args:
      x: an array that lacks the removed positions.
      mask: True for the positions of the whole axis that are left.
      positions: those of the whole axis to take.
      axis: the axis.
    """
    at = (np.cumsum(mask) - 1)[positions[mask[positions]]]
    if at.size and np.array_equal(at, np.arange(at[0], at[0] + at.size)):
        return lax.slice_in_dim(x, int(at[0]), int(at[0]) + at.size, axis=axis)
    return jnp.take(x, at, axis=axis)


def _tie_dynamic_slice(structure: Structure, equation: Equation) -> list[Axes]:
    value = equation.inputs[0]
    found = []
    for axis, size, length in zip(
        structure.axes[value], structure.shape(value), equation.params["slice_sizes"], strict=True
    ):
        if length != size:
            structure.protect(axis, equation)
        found.append(axis if length == size else None)
    return [tuple(found)]


def narrow_dynamic_slice(slicing: Slicing, equation: Equation, arguments: list[Any]) -> list[Any]:
    """Applies a slice, or a gather, that takes every narrow axis whole."""
    masks, narrow = slicing.masks(equation.inputs[0]), slicing.shape(equation.inputs[0])
    sizes = zip(equation.params["slice_sizes"], masks, narrow, strict=True)
    sizes = tuple(size if mask is None else n for size, mask, n in sizes)
    return bind_with(equation, arguments, slice_sizes=sizes)


SLICING: dict[str, Primitive] = {
    "dynamic_slice": Primitive(_tie_dynamic_slice, None, narrow_dynamic_slice),
    "slice": Primitive(_tie_slice, _fact_slice, _narrow_slice),
}
