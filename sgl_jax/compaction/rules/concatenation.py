"""Joining arrays end to end, and splitting them."""

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from sgl_jax.compaction.axes import Axes, Axis, Fact, Slicing, Structure
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules._primitive import Primitive


__all__ = ["CONCATENATION"]


def _tie_concatenate(structure: Structure, equation: Equation) -> list[Axes]:
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
    """One axis of several; parts that stay whole get positions that are protected."""
    if all(part is None for part in parts):
        return None
    joined = []
    for part, length in zip(parts, lengths, strict=True):
        if part is None:
            part = structure.sets.new(length)
            structure.sets.protect(part, "it is joined from an axis that is not sliced")
        joined.append(part)
    return np.concatenate(joined)


def _fact_concatenate(
    structure: Structure, equation: Equation, facts: Sequence[Fact]
) -> list[Fact]:
    at = equation.params["dimension"]
    rank = facts[0].known.ndim
    sizes = np.broadcast_shapes(
        *(
            [1 if k == at else max(fact.known.shape[k], fact.value.shape[k]) for k in range(rank)]
            for fact in facts
        )
    )

    def joined(arrays: Callable[[Fact], np.ndarray]) -> np.ndarray:
        parts = []
        for fact, value in zip(facts, equation.inputs, strict=True):
            shape = [structure.shape(value)[k] if k == at else n for k, n in enumerate(sizes)]
            parts.append(np.broadcast_to(arrays(fact), shape))
        return np.concatenate(parts, at)

    return [Fact(joined(lambda fact: fact.known), joined(lambda fact: fact.value))]


def _tie_split(structure: Structure, equation: Equation) -> list[Axes]:
    axes = structure.axes[equation.inputs[0]]
    at, sizes = equation.params["axis"], equation.params["sizes"]
    pieces = []
    for stop, size in zip(np.cumsum(sizes), sizes, strict=True):
        axis = axes[at]
        piece = None if axis is None else axis[stop - size : stop]
        pieces.append((*axes[:at], piece, *axes[at + 1 :]))
    return pieces


def _fact_split(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
    at = equation.params["axis"]
    ends = np.cumsum(equation.params["sizes"])[:-1]

    def pieces(x):
        return [x] * (len(ends) + 1) if x.shape[at] == 1 else np.split(x, ends, at)

    pairs = zip(pieces(facts[0].known), pieces(facts[0].value), strict=True)
    return [Fact(known, value) for known, value in pairs]


def _narrow_split(slicing: Slicing, equation: Equation, arguments: list[Any]) -> list[Any]:
    at = equation.params["axis"]
    sizes = tuple(slicing.shape(value)[at] for value in equation.outputs)
    return list(jnp.split(arguments[0], np.cumsum(sizes)[:-1].tolist(), axis=at))


CONCATENATION: dict[str, Primitive] = {
    "concatenate": Primitive(_tie_concatenate, _fact_concatenate),
    "split": Primitive(_tie_split, _fact_split, _narrow_split),
}
