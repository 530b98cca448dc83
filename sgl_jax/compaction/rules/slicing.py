"""Slicing, and writing slices, at static and at dynamic positions."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from sgl_jax.compaction.axes import Axes, Fact, Slicing, Structure
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules._lines import reduce_lines
from sgl_jax.compaction.rules._primitive import Primitive, bind_with
from sgl_jax.compaction.rules._writing import Bounds, write


__all__ = ["SLICING", "take_remaining"]


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


def _places(structure: Structure, equation: Equation) -> tuple[dict[int, slice], list[int]]:
    """The axes that a dynamic slice cuts: those with their places, and those of unknown places.

    The last operands are the starts, which are clamped, so that the slice is inside.
    """
    shape, lengths = structure.shape(equation.inputs[0]), _lengths(structure, equation)
    places, moving = {}, []
    for k, value in enumerate(equation.inputs[len(equation.inputs) - len(shape) :]):
        if lengths[k] == shape[k]:
            continue
        if value in structure.static and isinstance(shape[k] - lengths[k], int):
            start = min(max(int(structure.static[value]), 0), shape[k] - lengths[k])
            places[k] = slice(start, start + lengths[k])
        else:
            moving.append(k)
    return places, moving


def _lengths(structure: Structure, equation: Equation) -> tuple[Any, ...]:
    """The lengths of the slice that is read or written."""
    if equation.name == "dynamic_slice":
        return tuple(equation.params["slice_sizes"])
    return structure.shape(equation.inputs[1])


def _tie_dynamic_slice(structure: Structure, equation: Equation) -> list[Axes]:
    """Axes taken whole keep their positions, and so do those that are cut at a known place."""
    places, moving = _places(structure, equation)
    found = list(structure.axes[equation.inputs[0]])
    for k, axis in enumerate(found):
        if k in moving:
            structure.protect(axis, equation)
            found[k] = None
        elif axis is not None:
            found[k] = axis[places.get(k, slice(None))]
    return [tuple(found)]


def _fact_dynamic_slice(
    structure: Structure, equation: Equation, facts: Sequence[Fact]
) -> list[Fact]:
    """An entry is known if its place is, or if it is the same number at all places."""
    places, moving = _places(structure, equation)
    known, low, high = reduce_lines(facts[0], moving)
    found = Fact.of(known & (low == high), low)
    shape = structure.shape(equation.inputs[0])
    at = tuple(places.get(k, slice(None)) for k in range(len(shape)))
    return [found.widen(tuple(places), shape).map(lambda x: x[at])]


def _narrow_dynamic_slice(slicing: Slicing, equation: Equation, arguments: list[Any]) -> list[Any]:
    x, *starts = arguments
    places, _ = _places(slicing.structure, equation)
    sizes = list(equation.params["slice_sizes"])
    for k, mask in enumerate(slicing.masks(equation.inputs[0])):
        if mask is None:
            continue
        if k in places:
            x = take_remaining(x, mask, np.arange(len(mask))[places[k]], k)
            starts[k] = jnp.zeros_like(starts[k])
        sizes[k] = x.shape[k]
    return bind_with(equation, [x, *starts], slice_sizes=tuple(sizes))


def _tie_update(structure: Structure, equation: Equation) -> list[Axes]:
    """Positions that are written are removed with those that are written over."""
    into, written = (structure.axes[value] for value in equation.inputs[:2])
    places, moving = _places(structure, equation)
    found = list(into)
    for k, (axis, update) in enumerate(zip(into, written, strict=True)):
        if k in moving:
            structure.protect(axis, equation)
            structure.protect(update, equation)
        elif k in places:
            structure.tie((None if axis is None else axis[places[k]], update), equation)
        else:
            found[k] = structure.tie((axis, update), equation)
    return [tuple(found)]


def _fact_update(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
    places, moving = _places(structure, equation)
    into, updates = facts[0], Bounds(*reduce_lines(facts[1], moving))
    shape = structure.shape(equation.inputs[0])
    return [write("set", into, updates, shape, places, certain=not moving)]


def _narrow_update(slicing: Slicing, equation: Equation, arguments: list[Any]) -> list[Any]:
    x, written, *starts = arguments
    masks = slicing.masks(equation.inputs[0])
    for k, place in _places(slicing.structure, equation)[0].items():
        if (mask := masks[k]) is not None:
            starts[k] = jnp.full_like(starts[k], int(mask[: place.start].sum()))
    return bind_with(equation, [x, written, *starts])


SLICING: dict[str, Primitive] = {
    "dynamic_slice": Primitive(_tie_dynamic_slice, _fact_dynamic_slice, _narrow_dynamic_slice),
    "dynamic_update_slice": Primitive(_tie_update, _fact_update, _narrow_update),
    "slice": Primitive(_tie_slice, _fact_slice, _narrow_slice),
}
