"""Reshaping, by which axes are merged and split."""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import jax.numpy as jnp

from sgl_jax.compaction.axes import Axes, Axis, Fact, Slicing, Structure, widen
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules._primitive import Primitive


__all__ = ["RESHAPE"]

Shape = tuple[Any, ...]
Block = tuple[tuple[int, ...], tuple[int, ...]]


def _tie(structure: Structure, equation: Equation) -> list[Axes]:
    """Splits axes into the factors that their sizes have in common, and merges these anew."""
    axes = structure.axes[equation.inputs[0]]
    before, after = structure.shape(equation.inputs[0]), structure.shape(equation.outputs[0])
    if 0 in before:
        return [structure.new_axes(after)]
    for axis, size in zip(axes, before, strict=True):
        if size == 1:
            structure.protect(axis, equation)
    found: list[Axis] = [None] * len(after)
    for sources, targets in _blocks(before, after):
        if all(axes[k] is None for k in sources):
            continue
        split = _common_factors([before[k] for k in sources], [after[k] for k in targets])
        if split is None:
            for k in sources:
                structure.protect(axes[k], equation, "mixes it with others")
            continue
        parts: list[Axis] = []
        for k, shape in zip(sources, split[0], strict=True):
            parts += structure.split(axes[k], shape, equation)
        for k, shape in zip(targets, split[1], strict=True):
            found[k] = structure.merge(parts[: len(shape)], shape, equation)
            del parts[: len(shape)]
    return [tuple(found)]


def _common_factors(
    before: Sequence[Any], after: Sequence[Any]
) -> tuple[list[Shape], list[Shape]] | None:
    """One list of factors, runs of which make each size before and after; ``None`` without any.

    For (4, 6) to (8, 3) the sizes end at 4, 24 and at 8, 24, so the factors are 4, 2, 3.
    """
    if len(after) == 1:
        return [(size,) for size in before], [tuple(before)]
    if len(before) == 1:
        return [tuple(after)], [(size,) for size in after]
    sizes = (*before, *after)
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        return None
    ends = {math.prod(run[: k + 1]) for run in (before, after) for k in range(len(run))}
    steps = list(itertools.pairwise((1, *sorted(ends))))
    if any(end % start for start, end in steps):
        return None
    factors = [end // start for start, end in steps]
    return _share_out(factors, before), _share_out(factors, after)


def _share_out(factors: Sequence[int], sizes: Sequence[int]) -> list[Shape]:
    """The run of factors that makes each size."""
    rest, runs = list(factors), []
    for size in sizes:
        run: list[int] = []
        while math.prod(run) < size:
            run.append(rest.pop(0))
        runs.append(tuple(run))
    return runs


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
