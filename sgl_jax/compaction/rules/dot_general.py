"""Matrix products, with any axes contracted and any axes of a batch."""

from collections.abc import Sequence

import numpy as np

from sgl_jax.compaction.axes import Axes, Contraction, Fact, Structure
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules._primitive import Primitive


__all__ = ["DOT_GENERAL"]


def _tie(structure: Structure, equation: Equation) -> list[Axes]:
    left, right = (structure.axes[value] for value in equation.inputs)
    contracted, batch = equation.params["dimension_numbers"]
    summed = tuple(map(tuple, contracted))
    for i, j in zip(*contracted, strict=True):
        structure.contract((left[i], right[j]), Contraction(equation, (i, j), summed))
    shared = [structure.tie((left[i], right[j]), equation) for i, j in zip(*batch, strict=True)]
    free = [
        [axis for k, axis in enumerate(axes) if k not in (*contracted[side], *batch[side])]
        for side, axes in enumerate((left, right))
    ]
    return [(*shared, *free[0], *free[1])]


def _fact(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
    """An entry is known if every term of its sum is: both factors known, or one of them zero."""
    contracted, batch = equation.params["dimension_numbers"]
    shapes = [structure.shape(value) for value in equation.inputs]
    left, right = (
        fact.widen((*contracted[side], *batch[side]), shapes[side])
        for side, fact in enumerate(facts)
    )

    def product(left, right):
        return _einsum(left.astype(float), right.astype(float), contracted, batch)

    open_terms = product(~left.known, right.live) + product(left.live, ~right.known)
    dtype = structure.program.avals[equation.outputs[0]].dtype
    if not (left.value.any() and right.value.any()):
        return [Fact(open_terms == 0, np.zeros((1,) * open_terms.ndim, dtype))]
    return [Fact.of(open_terms == 0, product(left.value, right.value).astype(dtype))]


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


DOT_GENERAL: dict[str, Primitive] = {"dot_general": Primitive(_tie, _fact)}
