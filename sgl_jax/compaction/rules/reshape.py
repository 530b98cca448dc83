"""Which positions of a reshaped array are those of the array."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from sgl_jax.compaction.axes._disjoint_sets import Axis
from sgl_jax.compaction.axes._structure import Axes, Structure
from sgl_jax.compaction.program import Equation


__all__ = ["blocks", "reshaped"]

Shape = tuple[Any, ...]
Block = tuple[tuple[int, ...], tuple[int, ...]]


def reshaped(
    structure: Structure, equation: Equation, axes: Axes, before: Shape, after: Shape
) -> Axes:
    """The axes of an array of another shape with the same entries in the same order.

    Axes that are merged leave one axis of which every position belongs to a position of the last
    of them that can be sliced; the others stay whole. An axis that is split leaves one that can be
    sliced, too: the one that takes the fewest new ties, or else the last.
    """
    found: list[Axis] = [None] * len(after)
    structure.gone(axes, [k for k, size in enumerate(before) if size == 1], equation)
    for sources, targets in blocks(before, after):
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
        flat = _merged(np.asarray(axes[tracked[-1]]), sources.index(tracked[-1]), shape)
        kept, axis = _divided(structure, flat, tuple(after[k] for k in targets))
        found[targets[kept]] = axis
    return tuple(found)


def blocks(before: Shape, after: Shape) -> Iterator[Block]:
    """The least runs of axes, before and after, with equal numbers of entries.

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


def _merged(axis: np.ndarray, at: int, shape: Shape) -> np.ndarray:
    """The atom of every position of merged axes, of which one has atoms."""
    along = [1] * len(shape)
    along[at] = shape[at]
    return np.broadcast_to(axis.reshape(along), shape).reshape(-1)


def _divided(structure: Structure, flat: np.ndarray, shape: Shape) -> tuple[int, np.ndarray]:
    """Which of the axes of a split axis can be sliced, and its atoms."""
    if len(shape) == 1:
        return 0, flat
    classes = structure.classes.find(flat).reshape(shape)
    ties = []
    for k in range(len(shape)):
        rows = np.moveaxis(classes, k, 0).reshape(shape[k], -1)
        ties.append(sum(len(np.unique(row)) - 1 for row in rows))
    kept = max(k for k in range(len(shape)) if ties[k] == min(ties))
    rows = np.moveaxis(flat.reshape(shape), kept, 0).reshape(shape[kept], -1)
    structure.classes.tie(rows, np.broadcast_to(rows[:, :1], rows.shape))
    return kept, rows[:, 0]
