"""The roles of axes: those of parameters that read channels, and the heads of attentions."""

import collections

import numpy as np

from sgl_jax.compaction.axes import Grid, Structure
from sgl_jax.compaction.program import Equation, all_equations, made_from


__all__ = ["head_positions", "made_from_inputs", "reading_axes"]


def reading_axes(structure: Structure) -> set[tuple[int, int]]:
    """The arguments and axes that are summed over together with something made from an input.

    Those are the input axes of kernels, also of kernels that are transposed or reshaped first. An
    axis that makes channels elsewhere, as that of a table that embeds words and also gives their
    scores, is not among them.
    """
    parameters = _parameters(structure)
    from_inputs = made_from_inputs(structure)
    summed: set[int] = set()
    for contraction in structure.contractions:
        operands = contraction.equation.inputs
        if from_inputs.isdisjoint(operands):
            continue
        for value, at in zip(operands, contraction.axes, strict=False):
            axis = structure.axes[value][at]
            if value not in from_inputs and axis is not None:
                summed.update(axis.tolist())
    summed -= _left_by_sums(structure, from_inputs)
    # In this order: of queries that are summed over their dimensions the heads are not reached.
    structure.sets.propagate(lambda grid: _reach_factors(grid, summed))
    structure.sets.propagate(lambda grid: _reach_positions(grid, summed))
    return {
        (value, k)
        for value in parameters
        for k, axis in enumerate(structure.axes[value])
        if axis is not None and not summed.isdisjoint(axis.tolist())
    }


def _left_by_sums(structure: Structure, from_inputs: set[int]) -> set[int]:
    """The positions of parameters that meet what is made from an input, and are not summed over."""
    summed: dict[Equation, tuple[tuple[int, ...], ...]] = {
        contraction.equation: contraction.summed for contraction in structure.contractions
    }
    left: set[int] = set()
    for equation in all_equations(structure.program.equations):
        if equation.loop or from_inputs.isdisjoint(equation.inputs):
            continue
        sums = (*summed.get(equation, ()), *((),) * len(equation.inputs))
        for value, axes in zip(equation.inputs, sums, strict=False):
            if value not in from_inputs:
                kept = (axis for k, axis in enumerate(structure.axes[value]) if k not in axes)
                left.update(n for axis in kept if axis is not None for n in axis.tolist())
    return left


def _reach_factors(grid: Grid, summed: set[int]) -> bool:
    """Adds the factors of which positions are in ``summed``; True if there were any."""
    known = len(summed)
    for factor, rows in grid.slices:
        for position, row in zip(factor.tolist(), rows.tolist(), strict=True):
            if not summed.isdisjoint(row):
                summed.add(position)
    return len(summed) > known


def _reach_positions(grid: Grid, summed: set[int]) -> bool:
    """Adds the positions of factors that are in ``summed``; True if there were any."""
    known = len(summed)
    for factor, rows in grid.slices:
        for position, row in zip(factor.tolist(), rows.tolist(), strict=True):
            if position in summed:
                summed.update(row)
    return len(summed) > known


def head_positions(structure: Structure) -> np.ndarray:
    """The positions of the heads of attentions.

    Heads are what two arrays that are made from inputs, such as queries and keys, have in common
    when they are multiplied; where all heads share the keys and values, what is left of two
    products, of queries with keys and of attention with values.
    """
    from_inputs, find = made_from_inputs(structure), structure.sets.find
    found: list[int] = []
    left: collections.Counter[int] = collections.Counter()
    for equation in all_equations(structure.program.equations):
        if equation.name != "dot_general" or not from_inputs.issuperset(equation.inputs):
            continue
        contracted, batch = equation.params["dimension_numbers"]
        free: set[int] = set()
        for side, value in enumerate(equation.inputs):
            for k, axis in enumerate(structure.axes[value]):
                if axis is not None and k in batch[side]:
                    found += axis.tolist()
                elif axis is not None and k not in contracted[side]:
                    free.update(find(axis).tolist())
        left.update(free)
    are_heads = np.zeros(len(structure.sets), bool)
    are_heads[found + [root for root, products in left.items() if products > 1]] = True
    are_heads[find(np.flatnonzero(are_heads))] = True
    structure.sets.propagate(lambda grid: _complete_heads(structure, grid, are_heads))
    return np.flatnonzero(are_heads)


def _complete_heads(structure: Structure, grid: Grid, are_heads: np.ndarray) -> bool:
    """Marks factors of heads, and what has heads alone as its factors; True if there were any."""
    find = structure.sets.find
    found = [factor[are_heads[find(rows)].all(axis=1)] for factor, rows in grid.slices]
    factors = grid.combine([are_heads[find(factor)] for factor in grid.factors])
    roots = find(np.concatenate([*found, grid.positions[factors.all(axis=0)]]))
    known = bool(are_heads[roots].all())
    are_heads[roots] = True
    return not known


def _parameters(structure: Structure) -> list[int]:
    """The arguments that may lose positions."""
    inputs = structure.program.inputs
    return [value for value in inputs if any(a is not None for a in structure.axes[value])]


def made_from_inputs(structure: Structure) -> set[int]:
    """The values that depend on other arguments than parameters."""
    program = structure.program
    return made_from(program.equations, set(program.inputs) - set(_parameters(structure)))
