"""Gathering slices by indices."""

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.lax import GatherScatterMode

from sgl_jax.compaction.axes import Axes, Axis, Fact, Slicing, Structure
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules._lines import reduce_lines
from sgl_jax.compaction.rules._primitive import Primitive, bind_with
from sgl_jax.compaction.rules.slicing import take_remaining


__all__ = ["GATHER"]


def _tie(structure: Structure, equation: Equation) -> list[Axes] | None:
    """Axes taken whole keep their positions; an indexed one is permuted if indices are static.

    Axes of a batch, which operand, indices and result share, are tied.
    """
    value, indices = equation.inputs
    numbers = equation.params["dimension_numbers"]
    axes, of_indices = structure.axes[value], structure.axes[indices]
    whole, targets = _whole(structure, equation), _targets(structure, equation)
    found: dict[int, Axis] = {targets[k]: axes[k] for k in whole}
    shared = numbers.operand_batching_dims, numbers.start_indices_batching_dims
    for k, j in zip(*shared, strict=True):
        found[targets[k]] = structure.tie((axes[k], of_indices[j]), equation)
    for j, axis in enumerate(of_indices):
        if j not in numbers.start_indices_batching_dims:
            structure.protect(axis, equation)
    at = _gathered_axis(structure, equation)
    for k, axis in enumerate(axes):
        if axis is None or k in (*whole, *numbers.operand_batching_dims):
            continue
        if at is None or k not in numbers.collapsed_slice_dims:
            structure.protect(axis, equation)
        else:
            found[at] = axis[structure.static[indices].reshape(-1)]
    rank = len(structure.shape(equation.outputs[0]))
    return [tuple(found.get(k) for k in range(rank))]


def _targets(structure: Structure, equation: Equation) -> dict[int, int]:
    """Maps every axis of the operand that the result has, too, to its axis in the result."""
    numbers = equation.params["dimension_numbers"]
    dropped = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    kept = [k for k in range(len(equation.params["slice_sizes"])) if k not in dropped]
    batch = _batch_axes(structure, equation)
    shared = numbers.operand_batching_dims, numbers.start_indices_batching_dims
    return dict(zip(kept, map(int, numbers.offset_dims), strict=True)) | {
        k: batch[j] for k, j in zip(*shared, strict=True)
    }


def _batch_axes(structure: Structure, equation: Equation) -> list[int]:
    """The axes of the result that are those of the indices."""
    rank = len(structure.shape(equation.outputs[0]))
    offsets = equation.params["dimension_numbers"].offset_dims
    return [k for k in range(rank) if k not in offsets]


def _whole(structure: Structure, equation: Equation) -> list[int]:
    """The axes of the operand that are taken whole."""
    numbers, shape = equation.params["dimension_numbers"], structure.shape(equation.inputs[0])
    dropped = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    pairs = enumerate(zip(equation.params["slice_sizes"], shape, strict=True))
    return [k for k, (taken, size) in pairs if taken == size and k not in dropped]


def _gathered_axis(structure: Structure, equation: Equation) -> int | None:
    """The axis of the result along which static indices lay out positions of one axis."""
    indices, numbers = equation.inputs[1], equation.params["dimension_numbers"]
    shape, batch = structure.shape(indices), _batch_axes(structure, equation)
    one_axis = len(numbers.start_index_map) == len(numbers.collapsed_slice_dims) == 1
    one_column = len(batch) == 1 and math.prod(shape) == shape[0]
    if not (one_axis and one_column and indices in structure.static):
        return None
    where = structure.static[indices]
    (axis,) = numbers.collapsed_slice_dims
    if numbers.start_index_map != (axis,) or numbers.operand_batching_dims:
        return None
    size = structure.shape(equation.inputs[0])[axis]
    inside = where.size and 0 <= where.min() <= where.max() < size
    return batch[0] if inside else None


def _fact(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
    """An entry is known if its place is, or if it is the same number at all places."""
    numbers, rank = equation.params["dimension_numbers"], len(structure.shape(equation.outputs[0]))
    targets, at = _targets(structure, equation), _gathered_axis(structure, equation)
    if at is None:
        indexed = [
            k
            for k in range(facts[0].known.ndim)
            if k not in (*_whole(structure, equation), *numbers.operand_batching_dims)
        ]
        fact = _anywhere(facts[0], indexed, equation)
    else:
        (axis,) = numbers.collapsed_slice_dims
        places = structure.static[equation.inputs[1]].reshape(-1)
        fact = facts[0].map(lambda x: x if x.shape[axis] == 1 else np.take(x, places, axis))
        targets[axis] = at
    order = sorted(range(fact.known.ndim), key=lambda k: targets.get(k, rank))

    def gathered(x):
        result = [1] * rank
        for k, to in targets.items():
            result[to] = x.shape[k]
        return x.transpose(order).reshape(result)

    return [fact.map(gathered)]


def _anywhere(fact: Fact, axes: Sequence[int], equation: Equation) -> Fact:
    """The fact of an entry that is taken from anywhere along some axes.

    Beyond them is ``fill_value``, if the mode of the equation is to fill. NaN, as in ``jnp.take``,
    is passed over: a network that reads there answers NaN with and without the channels that go.
    """
    known, low, high = reduce_lines(fact, axes)
    known = known & (low == high)
    fill = equation.params["fill_value"]
    if equation.params["mode"] == GatherScatterMode.FILL_OR_DROP and not np.isnan(fill):
        known = known & (low == fill)
    return Fact.of(known, low)


def _narrow(slicing: Slicing, equation: Equation, arguments: list[Any]) -> list[Any]:
    operand, indices = equation.inputs
    masks, numbers = slicing.masks(operand), equation.params["dimension_numbers"]
    indexed = [k for k in numbers.collapsed_slice_dims if masks[k] is not None]
    if not indexed:
        sizes, narrow = list(equation.params["slice_sizes"]), slicing.shape(operand)
        for k in _whole(slicing.structure, equation):
            sizes[k] = sizes[k] if masks[k] is None else narrow[k]
        return bind_with(equation, arguments, slice_sizes=tuple(sizes))
    positions = slicing.structure.static[indices].reshape(-1)
    found = take_remaining(arguments[0], np.asarray(masks[indexed[0]]), positions, indexed[0])
    at = _gathered_axis(slicing.structure, equation)
    return [found if at is None else jnp.moveaxis(found, indexed[0], at)]


GATHER: dict[str, Primitive] = {"gather": Primitive(_tie, _fact, _narrow)}
