"""Writing slices at indices."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from sgl_jax.compaction.axes import Axes, Fact, Slicing, Structure
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules._lines import reduce_lines
from sgl_jax.compaction.rules._primitive import Primitive
from sgl_jax.compaction.rules._writing import WRITES, Bounds, write


__all__ = ["SCATTER"]


class Place(NamedTuple):
    """Known positions of one axis, all different, at which something is written.

    Attributes:
      axis: the axis of the operand.
      positions: the positions.
      written: the axis of the updates that they are laid out along; ``None`` for one position.
      window: True if they follow each other, after a single index.
    """

    axis: int
    positions: np.ndarray
    written: int | None
    window: bool


def _targets(structure: Structure, equation: Equation) -> dict[int, int]:
    """For axes of the operand that are written whole, or shared, the axis of the updates."""
    value, _, updates = equation.inputs
    numbers, (full, part) = _numbers(equation), map(structure.shape, (value, updates))
    whole = {k: to for k, to in _windows(structure, equation).items() if full[k] == part[to]}
    outer = _outer(structure, equation)
    shared = numbers.operand_batching_dims, numbers.scatter_indices_batching_dims
    return whole | {k: outer[j] for k, j in zip(*shared, strict=True)}


def _windows(structure: Structure, equation: Equation) -> dict[int, int]:
    """For axes of the operand along which a window is written the axis of the updates."""
    numbers = _numbers(equation)
    single = (*numbers.inserted_window_dims, *numbers.operand_batching_dims)
    kept = [k for k in range(len(structure.shape(equation.inputs[0]))) if k not in single]
    return dict(zip(kept, map(int, numbers.update_window_dims), strict=True))


def _outer(structure: Structure, equation: Equation) -> list[int]:
    """The axes of the updates that are those of the indices."""
    rank = len(structure.shape(equation.inputs[2]))
    return [k for k in range(rank) if k not in _numbers(equation).update_window_dims]


def _numbers(equation: Equation) -> Any:
    return equation.params["dimension_numbers"]


def _place(structure: Structure, equation: Equation) -> Place | None:
    """The positions that are written along the one axis that is indexed, if they are static."""
    numbers, where = _numbers(equation), structure.static.get(equation.inputs[1])
    outer = _outer(structure, equation)
    if where is None or not where.size or len(numbers.scatter_dims_to_operand_dims) != 1:
        return None
    (axis,) = numbers.scatter_dims_to_operand_dims
    window = _windows(structure, equation).get(axis)
    if len(outer) > (window is None) or numbers.operand_batching_dims:
        return None
    length = 1 if window is None else structure.shape(equation.inputs[2])[window]
    size = structure.shape(equation.inputs[0])[axis]
    if not isinstance(length, int) or not isinstance(size, int):
        return None
    positions = where.reshape(-1) if window is None else where.item() + np.arange(length)
    different = len(np.unique(positions)) == len(positions)
    if not different or not 0 <= positions.min() <= positions.max() < size:
        return None
    written = window if window is not None else outer[0] if outer else None
    return Place(axis, positions, written, not outer)


def _tie(structure: Structure, equation: Equation) -> list[Axes] | None:
    """Positions that are written are removed with those that are written over.

    Those are all positions of an axis that is written whole, and of the one that is indexed those
    that static indices name. Other indexed axes stay whole.
    """
    if _applies_a_function(equation):
        return None
    into, indices, written = (structure.axes[value] for value in equation.inputs)
    numbers, targets = _numbers(equation), _targets(structure, equation)
    place = _place(structure, equation)
    found, free = list(into), {*targets.values()}
    of_indices = dict(
        zip(numbers.operand_batching_dims, numbers.scatter_indices_batching_dims, strict=True)
    )
    for k, to in targets.items():
        shared = [indices[of_indices[k]]] if k in of_indices else []
        found[k] = structure.tie((into[k], written[to], *shared), equation)
    for k, axis in enumerate(into):
        if k in targets:
            continue
        if place is None or place.axis != k:
            structure.protect(axis, equation)
            continue
        part = None if axis is None else axis[place.positions]
        if place.written is None:
            structure.protect(part, equation)
        else:
            free.add(place.written)
            structure.tie((part, written[place.written]), equation)
    for axes, tied in ((written, free), (indices, of_indices.values())):
        for k, axis in enumerate(axes):
            if k not in tied:
                structure.protect(axis, equation)
    return [tuple(found)]


def _applies_a_function(equation: Equation) -> bool:
    """True for ``x.at[...].apply``, which writes nothing but functions of what is there."""
    return equation.name == "scatter" and equation.params["update_jaxpr"] is not None


def _fact(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact] | None:
    if _applies_a_function(equation):
        return None
    into, _, updates = facts
    targets, place = _targets(structure, equation), _place(structure, equation)
    if place is not None and place.written is not None:
        targets[place.axis] = place.written
    rest = [k for k in range(updates.known.ndim) if k not in targets.values()]
    order = [*(targets[k] for k in sorted(targets)), *rest]

    def aligned(x):
        shape = [x.shape[targets[k]] if k in targets else 1 for k in range(into.known.ndim)]
        return x.transpose(order).reshape(shape)

    places = {} if place is None else {place.axis: place.positions}
    indexed = _numbers(equation).scatter_dims_to_operand_dims
    reached = targets.keys() | places.keys()
    certain = not rest and set(indexed) == places.keys() and len(reached) == into.known.ndim
    shape = structure.shape(equation.inputs[0])
    bounds = Bounds(*map(aligned, reduce_lines(updates, rest)))
    return [write(_WAYS[equation.name], into, bounds, shape, places, certain)]


_WAYS = {"scatter": "set"} | {f"scatter-{way}": way for way in WRITES if way != "set"}
"""The way of writing of every primitive."""


def _narrow(slicing: Slicing, equation: Equation, arguments: list[Any]) -> list[Any]:
    value, indices, updates = arguments
    place = _place(slicing.structure, equation)
    mask = None if place is None else slicing.masks(equation.inputs[0])[place.axis]
    if place is not None and mask is not None:
        left = place.positions[:1] if place.window else place.positions[mask[place.positions]]
        shape = indices.shape if place.window else (len(left), 1)
        before = np.cumsum(mask) - mask
        indices = np.asarray(before[left].reshape(shape), indices.dtype)
    return equation.bind([value, indices, updates])


SCATTER: dict[str, Primitive] = dict.fromkeys(_WAYS, Primitive(_tie, _fact, _narrow))
