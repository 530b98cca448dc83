"""Gathering slices by indices."""

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from sgl_jax.compaction.axes import Axes, Axis, Fact, Slicing, Structure
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules._primitive import Primitive
from sgl_jax.compaction.rules.slicing import narrow_dynamic_slice, take_remaining


__all__ = ["GATHER"]


def _tie(structure: Structure, equation: Equation) -> list[Axes] | None:
    """Axes taken whole keep their positions; an indexed one is permuted if indices are static."""
    value, indices = equation.inputs
    numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    if numbers.operand_batching_dims:
        return None
    shape, axes = structure.shape(value), structure.axes[value]
    for axis in structure.axes[indices]:
        structure.protect(axis, equation)
    found: dict[int, Axis] = {}
    offsets = [k for k in range(len(shape)) if k not in numbers.collapsed_slice_dims]
    for k, to in zip(offsets, numbers.offset_dims, strict=True):
        if sizes[k] == shape[k]:
            found[to] = axes[k]
        else:
            structure.protect(axes[k], equation)
    at = _gathered_axis(structure, equation)
    for k in numbers.collapsed_slice_dims:
        if at is None or axes[k] is None:
            structure.protect(axes[k], equation)
        else:
            found[at] = axes[k][structure.static[indices].reshape(-1)]
    rank = len(structure.shape(equation.outputs[0]))
    return [tuple(found.get(k) for k in range(rank))]


def _gathered_axis(structure: Structure, equation: Equation) -> int | None:
    """The axis of the result along which known positions of one axis are laid out."""
    indices, numbers = equation.inputs[1], equation.params["dimension_numbers"]
    shape = structure.shape(indices)
    rank = len(structure.shape(equation.outputs[0]))
    batch = [k for k in range(rank) if k not in numbers.offset_dims]
    one = len(numbers.start_index_map) == len(numbers.collapsed_slice_dims) == len(batch) == 1
    if not one or indices not in structure.static or math.prod(shape) != shape[0]:
        return None
    where = structure.static[indices]
    (axis,) = numbers.collapsed_slice_dims
    if numbers.start_index_map != (axis,):
        return None
    size = structure.shape(equation.inputs[0])[axis]
    inside = where.size and 0 <= where.min() <= where.max() < size
    return batch[0] if inside else None


def _fact(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact] | None:
    numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    shape = structure.shape(equation.inputs[0])
    rank = len(structure.shape(equation.outputs[0]))
    at = _gathered_axis(structure, equation)
    if numbers.operand_batching_dims:
        return None
    axes = numbers.collapsed_slice_dims
    if at is None:
        indexed = [k for k, size in enumerate(sizes) if size != shape[k]]
        fact = _anywhere(facts[0], indexed, equation.params["fill_value"])
    else:
        fact = facts[0]

    def gathered(x):
        if at is not None and x.shape[axes[0]] > 1:
            x = np.take(x, structure.static[equation.inputs[1]].reshape(-1), axes[0])
        x = x.transpose(*(k for k in range(x.ndim) if k not in axes), *axes)
        if at is not None:
            return x.transpose(np.argsort([*numbers.offset_dims, at]))
        result = [1] * rank
        for size, to in zip(x.shape, numbers.offset_dims, strict=False):
            result[to] = size
        return x.reshape(result)

    return [fact.map(gathered)]


def _anywhere(fact: Fact, axes: Sequence[int], beyond: Any) -> Fact:
    """The fact of an entry that is taken from anywhere along some axes, or is ``beyond`` them."""
    axes = tuple(axes)
    low, high = (reduce(fact.value, axis=axes, keepdims=True) for reduce in (np.min, np.max))
    known = fact.known.all(axis=axes, keepdims=True) & (low == high)
    return Fact.of(known & (True if beyond is None else low == beyond), low)


def _narrow(slicing: Slicing, equation: Equation, arguments: list[Any]) -> list[Any]:
    operand, indices = equation.inputs
    masks, numbers = slicing.masks(operand), equation.params["dimension_numbers"]
    indexed = [k for k in numbers.collapsed_slice_dims if masks[k] is not None]
    if not indexed:
        return narrow_dynamic_slice(slicing, equation, arguments)
    positions = slicing.structure.static[indices].reshape(-1)
    found = take_remaining(arguments[0], np.asarray(masks[indexed[0]]), positions, indexed[0])
    at = _gathered_axis(slicing.structure, equation)
    return [found if at is None else jnp.moveaxis(found, indexed[0], at)]


GATHER: dict[str, Primitive] = {"gather": Primitive(_tie, _fact, _narrow)}
