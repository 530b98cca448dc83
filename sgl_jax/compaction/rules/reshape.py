"""Reshaping, by which axes are merged and split."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from sgl_jax.compaction.axes import Axes, Axis, Fact, Slicing, Structure, widen
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules._primitive import Primitive


__all__ = ["RESHAPE"]

Shape = tuple[Any, ...]
Block = tuple[tuple[int, ...], tuple[int, ...]]


def _tie(structure: Structure, equation: Equation) -> list[Axes]:
    """Merged and split axes leave one axis that can be sliced; the others stay whole.

    Of merged axes it is the last that can be sliced, and every position of the result belongs to
    one of its positions. Of the axes that an axis is split into, it is the one that takes the
    fewest new ties, or else the last.
    """
    axes = structure.axes[equation.inputs[0]]
    before, after = structure.shape(equation.inputs[0]), structure.shape(equation.outputs[0])
    if 0 in before:
        return [structure.new_axes(after)]
    for axis, size in zip(axes, before, strict=True):
        if size == 1:
            structure.protect(axis, equation)
    found: list[Axis] = [None] * len(after)
    for sources, targets in _blocks(before, after):
        tracked = [k for k in sources if axes[k] is not None]
        if not tracked:
            continue
        shape = tuple(before[k] for k in sources)
        if len(targets) > 1 < len(sources):
            for k in tracked:
                structure.protect(axes[k], equation, "mixes it with others")
            continue
        for k in tracked[:-1]:
            structure.protect(axes[k], equation, "merges it with another")
        flat = _merge(np.asarray(axes[tracked[-1]]), sources.index(tracked[-1]), shape)
        kept, axis = _split(structure, flat, tuple(after[k] for k in targets))
        found[targets[kept]] = axis
    return [tuple(found)]


def _blocks(before: Shape, after: Shape) -> Iterator[Block]:
    """The shortest runs of axes, before and after, with equal numbers of entries.

    Axes of one position are in none; those of an array without entries are all in one.
    """
    if 0 in before:
        yield tuple(range(len(before))), tuple(range(len(after)))
        return
    left = [k for k, size in enumerate(before) if size != 1]
    right = [k for k, size in enumerate(after) if size != 1]
    while left and right:
        sources, targets = [left.pop(0)], [right.pop(0)]
        while True:
            counts = [
                math.prod(shape[k] for k in run)
                for shape, run in ((before, sources), (after, targets))
            ]
            if counts[0] == counts[1]:
                break
            if counts[0] < counts[1]:
                sources.append(left.pop(0))
            else:
                targets.append(right.pop(0))
        yield tuple(sources), tuple(targets)


def _merge(axis: np.ndarray, at: int, shape: Shape) -> np.ndarray:
    """The positions along merged axes, one of which has positions."""
    along = [1] * len(shape)
    along[at] = shape[at]
    return np.broadcast_to(axis.reshape(along), shape).reshape(-1)


def _split(structure: Structure, flat: np.ndarray, shape: Shape) -> tuple[int, np.ndarray]:
    """The one of the axes of a split axis that can be sliced, and its positions."""
    if len(shape) == 1:
        return 0, flat
    roots = structure.sets.find(flat).reshape(shape)
    ties = []
    for k in range(len(shape)):
        rows = np.moveaxis(roots, k, 0).reshape(shape[k], -1)
        ties.append(sum(len(np.unique(row)) - 1 for row in rows))
    kept = max(k for k in range(len(shape)) if ties[k] == min(ties))
    rows = np.moveaxis(flat.reshape(shape), kept, 0).reshape(shape[kept], -1)
    structure.sets.union(rows, np.broadcast_to(rows[:, :1], rows.shape))
    return kept, rows[:, 0]


def _fact(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
    before, after = structure.shape(equation.inputs[0]), structure.shape(equation.outputs[0])

    def reshaped(x):
        shape = [1] * len(after)
        for sources, targets in _blocks(before, after):
            if any(x.shape[k] > 1 for k in sources):
                x = widen(x, sources, before)
                for k in targets:
                    shape[k] = after[k]
        return x.reshape(shape)

    return [facts[0].map(reshaped)]


def _narrow(slicing: Slicing, equation: Equation, arguments: list[Any]) -> list[Any]:
    return [jnp.reshape(arguments[0], slicing.shape(equation.outputs[0]))]


RESHAPE: dict[str, Primitive] = {"reshape": Primitive(_tie, _fact, _narrow)}
