"""What is known of convolutions and matrix products."""

from collections.abc import Sequence

import numpy as np

from sgl_jax.compaction.axes import Structure
from sgl_jax.compaction.axes._facts import Fact, widened
from sgl_jax.compaction.program import Equation


__all__ = ["channel_fact", "conv", "dot_general", "has_borders"]


def dot_general(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
    """An entry is known if every term of its sum is: both factors known, or one of them zero."""
    contracted, batch = equation.params["dimension_numbers"]
    shapes = [structure.shape(value) for value in equation.inputs]
    wide = [
        fact.full((*contracted[side], *batch[side]), shapes[side])
        for side, fact in enumerate(facts)
    ]

    def product(left, right):
        return _einsum(left.astype(float), right.astype(float), contracted, batch)

    left, right = wide
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


def channel_fact(fact: Fact, axis: int, shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Per channel whether all of it is one known number, and the number."""
    others = tuple(k for k in range(len(shape)) if k != axis)
    size = (shape[axis],)
    even = all(fact.value.shape[k] == 1 for k in others)
    known = np.broadcast_to(fact.known.all(axis=others), size)
    if not even:
        known = known & np.broadcast_to((fact.value == 0).all(axis=others), size)
    value = fact.value.max(axis=others) if even else np.zeros((), fact.value.dtype)
    return known, np.where(known, value, np.zeros_like(value))


def has_borders(equation: Equation) -> bool:
    """Whether some windows of a convolution see padding, or gaps between the entries."""
    params = equation.params
    return any(any(pads) for pads in params["padding"]) or any(
        n > 1 for n in params["lhs_dilation"]
    )


def conv(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact] | None:
    """A map is known if every image it is made of is a known number, or is multiplied by zero."""
    if equation.params["batch_group_count"] != 1:
        return None
    numbers, groups = equation.params["dimension_numbers"], equation.params["feature_group_count"]
    shapes = [structure.shape(value) for value in equation.inputs]
    known, value = channel_fact(facts[0], numbers.lhs_spec[1], shapes[0])
    if facts[1].known.all() and not known.any() and facts[1].value.all():
        return None
    # Kernels as (window, group, inputs of a group, outputs of a group).
    order = (*numbers.rhs_spec[2:], numbers.rhs_spec[1], numbers.rhs_spec[0])

    def by_group(x):
        x = widened(x, range(x.ndim), shapes[1]).transpose(order)
        x = x.reshape(-1, x.shape[-2], groups, x.shape[-1] // groups)
        return np.moveaxis(x, 2, 1)

    kernel = Fact(by_group(facts[1].known), by_group(facts[1].value))
    known, value = known.reshape(groups, -1, 1), value.reshape(groups, -1, 1)
    live, loose = kernel.live.any(axis=0), (~kernel.known).any(axis=0)
    not_zero = ~known | (value != 0)
    open_terms = (~known & live) | (not_zero & loose)
    if has_borders(equation):
        open_terms |= (value != 0) & live
    sums = (kernel.value.sum(axis=0) * value).sum(axis=1).reshape(-1)
    shape = [1] * len(shapes[0])
    shape[numbers.out_spec[1]] = sums.size
    certain = ~open_terms.any(axis=1).reshape(-1)
    return [Fact.of(certain.reshape(shape), sums.astype(facts[0].value.dtype).reshape(shape))]
