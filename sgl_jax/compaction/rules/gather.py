"""The rules of what moves entries and computes nothing."""

import math

import numpy as np

from sgl_jax.compaction.axes._disjoint_sets import Axis
from sgl_jax.compaction.axes._structure import Axes, Rule, Structure
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules.reshape import reshaped


__all__ = ["LAYOUT", "gathered_axis"]


def _transpose(structure: Structure, equation: Equation) -> list[Axes]:
    axes = structure.axes[equation.inputs[0]]
    return [tuple(axes[k] for k in equation.params["permutation"])]


def _squeeze(structure: Structure, equation: Equation) -> list[Axes]:
    axes = structure.axes[equation.inputs[0]]
    gone = equation.params["dimensions"]
    structure.gone(axes, gone, equation)
    return [tuple(axis for k, axis in enumerate(axes) if k not in gone)]


def _broadcast(structure: Structure, equation: Equation) -> list[Axes]:
    value, shape = equation.inputs[0], structure.shape(equation.outputs[0])
    found = list(structure.fresh(shape))
    for k, to in enumerate(equation.params["broadcast_dimensions"]):
        if structure.shape(value)[k] == shape[to]:
            found[to] = structure.axes[value][k]
        else:
            structure.gone(structure.axes[value], [k], equation)
    return [tuple(found)]


def _reshape(structure: Structure, equation: Equation) -> list[Axes]:
    value = equation.inputs[0]
    shapes = structure.shape(value), structure.shape(equation.outputs[0])
    return [reshaped(structure, equation, structure.axes[value], *shapes)]


def _concatenate(structure: Structure, equation: Equation) -> list[Axes]:
    at = equation.params["dimension"]
    parts = [structure.axes[value] for value in equation.inputs]
    found = [
        structure.tie([axes[k] for axes in parts], equation)
        for k in range(len(parts[0]))
        if k != at
    ]
    lengths = [structure.shape(value)[at] for value in equation.inputs]
    found.insert(at, _end_to_end(structure, [axes[at] for axes in parts], lengths))
    return [tuple(found)]


def _end_to_end(structure: Structure, parts: list[Axis], lengths: list[int]) -> Axis:
    """One axis of several; parts that stay whole get atoms that are protected."""
    if all(part is None for part in parts):
        return None
    whole = []
    for part, length in zip(parts, lengths, strict=True):
        if part is None:
            part = structure.classes.fresh(length)
            structure.classes.protect(part, "it is joined from an axis that is not sliced")
        whole.append(part)
    return np.concatenate(whole)


def _split(structure: Structure, equation: Equation) -> list[Axes]:
    axes = structure.axes[equation.inputs[0]]
    at, sizes = equation.params["axis"], equation.params["sizes"]
    ends = np.cumsum(sizes)
    pieces = []
    for stop, size in zip(ends, sizes, strict=True):
        axis = axes[at]
        piece = None if axis is None else axis[stop - size : stop]
        pieces.append((*axes[:at], piece, *axes[at + 1 :]))
    return pieces


def _slice(structure: Structure, equation: Equation) -> list[Axes]:
    axes = structure.axes[equation.inputs[0]]
    params = equation.params
    strides = params["strides"] or (1,) * len(axes)
    cuts = zip(axes, params["start_indices"], params["limit_indices"], strides, strict=True)
    return [tuple(None if a is None else a[i:j:step] for a, i, j, step in cuts)]


def _reverse(structure: Structure, equation: Equation) -> list[Axes]:
    axes = structure.axes[equation.inputs[0]]
    turned = equation.params["dimensions"]
    return [tuple(a[::-1] if a is not None and k in turned else a for k, a in enumerate(axes))]


def _pad(structure: Structure, equation: Equation) -> list[Axes]:
    axes, shape = structure.axes[equation.inputs[0]], structure.shape(equation.outputs[0])
    found: list[Axis] = []
    for axis, size, (low, high, inner) in zip(
        axes, shape, equation.params["padding_config"], strict=True
    ):
        if axis is None or (low, high, inner) == (0, 0, 0):
            found.append(axis)
        elif inner or min(low, high) < 0:
            structure.protect(axis, equation)
            found += structure.fresh((size,))
        else:
            edges = structure.classes.fresh(low), structure.classes.fresh(high)
            found.append(np.concatenate([edges[0], axis, edges[1]]))
    return [tuple(found)]


def _gather(structure: Structure, equation: Equation) -> list[Axes] | None:
    """Axes taken whole keep their positions; one that is indexed is permuted if that is static."""
    value, indices = equation.inputs
    numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    if numbers.operand_batching_dims:
        return None
    shape, axes = structure.shape(value), structure.axes[value]
    for axis in structure.axes[indices]:
        structure.protect(axis, equation)
    taken: dict[int, Axis] = {}
    kept = [k for k in range(len(shape)) if k not in numbers.collapsed_slice_dims]
    for k, at in zip(kept, numbers.offset_dims, strict=True):
        if sizes[k] == shape[k]:
            taken[at] = axes[k]
        else:
            structure.protect(axes[k], equation)
    at = gathered_axis(structure, equation)
    for k in numbers.collapsed_slice_dims:
        if at is None or axes[k] is None:
            structure.protect(axes[k], equation)
        else:
            taken[at] = axes[k][structure.static[indices].reshape(-1)]
    rank = len(structure.shape(equation.outputs[0]))
    return [tuple(taken.get(k) for k in range(rank))]


def gathered_axis(structure: Structure, equation: Equation) -> int | None:
    """The axis of the result along which known positions of one axis are laid out."""
    indices, numbers = equation.inputs[1], equation.params["dimension_numbers"]
    shape = structure.shape(indices)
    rank = len(structure.shape(equation.outputs[0]))
    loose = [k for k in range(rank) if k not in numbers.offset_dims]
    one = len(numbers.start_index_map) == len(numbers.collapsed_slice_dims) == len(loose) == 1
    if not one or indices not in structure.static or math.prod(shape) != shape[0]:
        return None
    where = structure.static[indices]
    (axis,) = numbers.collapsed_slice_dims
    if numbers.start_index_map != (axis,):
        return None
    inside = (
        where.size and 0 <= where.min() <= where.max() < structure.shape(equation.inputs[0])[axis]
    )
    return loose[0] if inside else None


def _dynamic_slice(structure: Structure, equation: Equation) -> list[Axes]:
    value = equation.inputs[0]
    found = []
    for axis, size, taken in zip(
        structure.axes[value], structure.shape(value), equation.params["slice_sizes"], strict=True
    ):
        if taken != size:
            structure.protect(axis, equation)
        found.append(axis if taken == size else None)
    return [tuple(found)]


def _scatter(structure: Structure, equation: Equation) -> list[Axes] | None:
    """Axes that are written whole keep their positions; those that are indexed stay whole."""
    value, indices, updates = equation.inputs
    numbers = equation.params["dimension_numbers"]
    if numbers.operand_batching_dims:
        return None
    into, written = list(structure.axes[value]), list(structure.axes[updates])
    kept = [k for k in range(len(into)) if k not in numbers.inserted_window_dims]
    for k, at in zip(kept, numbers.update_window_dims, strict=True):
        if structure.shape(value)[k] == structure.shape(updates)[at]:
            into[k] = structure.tie((into[k], written[at]), equation)
            written[at] = None
        else:
            structure.protect(into[k], equation)
    for k in numbers.inserted_window_dims:
        structure.protect(into[k], equation)
    for axis in (*written, *structure.axes[indices]):
        structure.protect(axis, equation)
    return [tuple(into)]


LAYOUT: dict[str, Rule] = {
    **dict.fromkeys(
        ("scatter", "scatter-add", "scatter-max", "scatter-min", "scatter-mul", "scatter-sub"),
        _scatter,
    ),
    "broadcast_in_dim": _broadcast,
    "concatenate": _concatenate,
    "dynamic_slice": _dynamic_slice,
    "gather": _gather,
    "pad": _pad,
    "reshape": _reshape,
    "rev": _reverse,
    "slice": _slice,
    "split": _split,
    "squeeze": _squeeze,
    "transpose": _transpose,
}
