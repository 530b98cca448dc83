"""Constant propagation through primitives that mix the entries along some axes."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from sgl_jax.compaction.axes import Fact, Structure, unknown
from sgl_jax.compaction.program import Equation


__all__ = ["apply", "propagate_lines", "reduce_lines"]


def apply(structure: Structure, equation: Equation, arguments: Sequence[Any]) -> list[np.ndarray]:
    """Applies a primitive to arrays of numbers, of the dtypes of its operands.

    Args:
      structure: the program, read.
      equation: the primitive.
      arguments: its operands.
    """
    dtypes = [structure.program.avals[value].dtype for value in equation.inputs]
    arrays = [np.asarray(x, dtype) for x, dtype in zip(arguments, dtypes, strict=True)]
    with jax.ensure_compile_time_eval():
        found = equation.primitive.bind(*arrays, **equation.params)
    return list(map(np.asarray, found if equation.primitive.multiple_results else [found]))


def propagate_lines(
    structure: Structure, equation: Equation, facts: Sequence[Fact], axes: Sequence[int]
) -> list[Fact] | None:
    """Propagates constants through a primitive that mixes the entries along some axes.

    A result is known where all operands are known along all of these axes. Along the others, which
    all operands share, the primitive does the same everywhere; so it is applied to one position
    where nothing changes. Operands without axes are the same for all.

    Args:
      structure: the program, read.
      equation: the primitive; results have all axes of the operands, or all but the mixed ones.
      facts: the facts of the operands.
      axes: the mixed axes.
    """
    axes = tuple(axes)
    wide = [
        fact.widen(axes, structure.shape(value)) if fact.known.ndim else fact
        for fact, value in zip(facts, equation.inputs, strict=True)
    ]
    lines = [np.all(x.known, axis=axes, keepdims=True) if x.known.ndim else x.known for x in wide]
    known = functools.reduce(np.logical_and, lines)
    if not known.any():
        return None
    results = apply(structure, equation, _aligned([fact.value for fact in wide], axes))
    if results[0].ndim < known.ndim:
        return [Fact.of(np.squeeze(known, axes), x) for x in results]
    return [Fact.of(known, _shortened(x, axes)) for x in results]


def _shortened(x: np.ndarray, axes: Sequence[int]) -> np.ndarray:
    """Leaves one position of axes along which nothing changes."""
    for k in axes:
        first = x.take(range(min(1, x.shape[k])), axis=k)
        x = first if (x == first).all() else x
    return x


def _aligned(arrays: Sequence[np.ndarray], axes: Sequence[int]) -> list[np.ndarray]:
    """Broadcasts arrays to one size along all but some axes; single numbers stay."""
    shapes = [
        [1 if k in axes else size for k, size in enumerate(x.shape)] for x in arrays if x.ndim
    ]
    common = np.broadcast_shapes(*shapes)
    return [
        np.broadcast_to(x, [x.shape[k] if k in axes else n for k, n in enumerate(common)])
        if x.ndim
        else x
        for x in arrays
    ]


def reduce_lines(fact: Fact, axes: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reduces a fact to one position along some axes.

    Returns:
      True where all entries are known, the least of them, and the greatest.
    """
    axes = tuple(axes)
    if not fact.value.size:
        fact = unknown(fact.value.ndim, fact.value.dtype)
    low, high = (reduce(fact.value, axis=axes, keepdims=True) for reduce in (np.min, np.max))
    known = np.all(fact.known, axis=axes, keepdims=True)
    return np.asarray(known), np.asarray(low), np.asarray(high)
