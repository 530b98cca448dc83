"""Matrix products: with any axes contracted and any axes of a batch, and with ragged groups."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from sgl_jax.compaction.axes import Axes, Contraction, Fact, Structure
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules._primitive import Primitive


__all__ = ["DOT_GENERAL"]

Pairs: TypeAlias = tuple[Sequence[int], Sequence[int]]
"""Axes of the first operand, and their partners of the second."""


def _tie(structure: Structure, equation: Equation) -> list[Axes]:
    left, right = (structure.axes[value] for value in equation.inputs)
    contracted, batch = equation.params["dimension_numbers"]
    _contract(structure, equation, contracted)
    shared = [structure.tie((left[i], right[j]), equation) for i, j in zip(*batch, strict=True)]
    free = [
        [axis for k, axis in enumerate(axes) if k not in (*contracted[side], *batch[side])]
        for side, axes in enumerate((left, right))
    ]
    return [(*shared, *free[0], *free[1])]


def _contract(structure: Structure, equation: Equation, contracted: Pairs) -> None:
    left, right = (structure.axes[value] for value in equation.inputs[:2])
    summed = tuple(map(tuple, contracted))
    for i, j in zip(*contracted, strict=True):
        structure.contract((left[i], right[j]), Contraction(equation, (i, j), summed))


def _fact(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
    contracted, batch = equation.params["dimension_numbers"]
    shapes = [structure.shape(value) for value in equation.inputs]
    wide = [
        fact.widen((*contracted[side], *batch[side]), shapes[side])
        for side, fact in enumerate(facts)
    ]
    dtype = structure.program.avals[equation.outputs[0]].dtype
    return [_product(wide[0], wide[1], contracted, batch, dtype)]


def _product(left: Fact, right: Fact, contracted: Pairs, batch: Pairs, dtype: np.dtype) -> Fact:
    """An entry is known if every term of its sum is: both factors known, or one of them zero."""

    def product(left, right):
        return _einsum(left.astype(float), right.astype(float), contracted, batch)

    open_terms = product(~left.known, right.live) + product(left.live, ~right.known)
    if not (left.value.any() and right.value.any()):
        return Fact(open_terms == 0, np.zeros((1,) * open_terms.ndim, dtype))
    return Fact.of(open_terms == 0, product(left.value, right.value).astype(dtype))


def _einsum(left, right, contracted, batch) -> np.ndarray:
    names = [list(range(left.ndim)), list(range(left.ndim, left.ndim + right.ndim))]
    for pairs in (contracted, batch):
        for i, j in zip(*pairs, strict=True):
            names[1][j] = names[0][i]
    shared = [names[0][i] for i in batch[0]]
    free = [
        [n for k, n in enumerate(names[side]) if k not in (*contracted[side], *batch[side])]
        for side in (0, 1)
    ]
    return np.einsum(left, names[0], right, names[1], [*shared, *free[0], *free[1]], optimize=True)


def _tie_ragged(structure: Structure, equation: Equation) -> list[Axes] | None:
    """Every row is multiplied by one of several matrices, all of which stay."""
    left, right, counts = (structure.axes[value] for value in equation.inputs[:3])
    contracted, group = _ragged(equation)
    if group is None:
        return None
    for axis in (right[group], *counts):
        structure.protect(axis, equation)
    _contract(structure, equation, contracted)
    rows = [axis for k, axis in enumerate(left) if k not in contracted[0]]
    made = [axis for k, axis in enumerate(right) if k not in (*contracted[1], group)]
    return [(*rows, *made)]


def _fact_ragged(
    structure: Structure, equation: Equation, facts: Sequence[Fact]
) -> list[Fact] | None:
    """An entry is zero if every term of its sum is, whichever matrix makes it."""
    contracted, group = _ragged(equation)
    if group is None:
        return None
    shapes = [structure.shape(value) for value in equation.inputs]
    zero = np.asarray(facts[1].widen(contracted[1], shapes[1]).zero.all(axis=group))
    dtype = structure.program.avals[equation.outputs[0]].dtype
    left = facts[0].widen(contracted[0], shapes[0])
    right = Fact(zero, np.zeros(zero.shape, dtype))
    summed = contracted[0], [j - (j > group) for j in contracted[1]]
    return [_product(left, right, summed, ((), ()), dtype)]


def _ragged(equation: Equation) -> tuple[Pairs, int | None]:
    """The axes summed over, and the axis of the matrices.

    ``None`` where groups are not of rows, or every entry of a batch has its own.
    """
    numbers = equation.params["ragged_dot_dimension_numbers"]
    contracted, batch = numbers.dot_dimension_numbers
    (rows,) = numbers.lhs_ragged_dimensions
    of_rows = rows not in contracted[0] and not any(batch)
    return contracted, numbers.rhs_group_dimensions[0] if of_rows else None


DOT_GENERAL: dict[str, Primitive] = {
    "dot_general": Primitive(_tie, _fact),
    "ragged_dot_general": Primitive(_tie_ragged, _fact_ragged),
}
