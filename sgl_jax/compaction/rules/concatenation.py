"""What is known of what is moved: of entries that are laid out anew, and computed with no more."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from sgl_jax.compaction.axes import Structure
from sgl_jax.compaction.axes._facts import Fact, FactRule, widened
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules.gather import gathered_axis
from sgl_jax.compaction.rules.reshape import blocks


__all__ = ["LAYOUT"]


def _moved(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
    return [facts[0].map(functools.partial(_MOVES[equation.name], structure, equation))]


def _transpose(structure: Structure, equation: Equation, x: np.ndarray) -> np.ndarray:
    return x.transpose(equation.params["permutation"])


def _squeeze(structure: Structure, equation: Equation, x: np.ndarray) -> np.ndarray:
    return x.squeeze(tuple(equation.params["dimensions"]))


def _broadcast(structure: Structure, equation: Equation, x: np.ndarray) -> np.ndarray:
    shape = [1] * len(structure.shape(equation.outputs[0]))
    for size, to in zip(x.shape, equation.params["broadcast_dimensions"], strict=True):
        shape[to] = size
    return x.reshape(shape)


def _reshape(structure: Structure, equation: Equation, x: np.ndarray) -> np.ndarray:
    before, after = structure.shape(equation.inputs[0]), structure.shape(equation.outputs[0])
    shape = [1] * len(after)
    for sources, targets in blocks(before, after):
        if any(x.shape[k] > 1 for k in sources):
            x = widened(x, sources, before)
            for k in targets:
                shape[k] = after[k]
    return x.reshape(shape)


def _slice(structure: Structure, equation: Equation, x: np.ndarray) -> np.ndarray:
    params = equation.params
    strides = params["strides"] or (1,) * x.ndim
    cuts = zip(x.shape, params["start_indices"], params["limit_indices"], strides, strict=True)
    return x[tuple(slice(None) if n == 1 else slice(i, j, k) for n, i, j, k in cuts)]


def _reverse(structure: Structure, equation: Equation, x: np.ndarray) -> np.ndarray:
    return np.flip(x, tuple(equation.params["dimensions"]))


_MOVES = {
    "broadcast_in_dim": _broadcast,
    "reshape": _reshape,
    "rev": _reverse,
    "slice": _slice,
    "squeeze": _squeeze,
    "transpose": _transpose,
}


def _concatenate(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
    at = equation.params["dimension"]
    rank = facts[0].known.ndim
    sizes = np.broadcast_shapes(
        *(
            [1 if k == at else max(fact.known.shape[k], fact.value.shape[k]) for k in range(rank)]
            for fact in facts
        )
    )

    def joined(pick):
        parts = []
        for fact, value in zip(facts, equation.inputs, strict=True):
            shape = [structure.shape(value)[k] if k == at else n for k, n in enumerate(sizes)]
            parts.append(np.broadcast_to(pick(fact), shape))
        return np.concatenate(parts, at)

    return [Fact(joined(lambda fact: fact.known), joined(lambda fact: fact.value))]


def _split(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
    at = equation.params["axis"]
    ends = np.cumsum(equation.params["sizes"])[:-1]

    def pieces(x):
        return [x] * (len(ends) + 1) if x.shape[at] == 1 else np.split(x, ends, at)

    return [
        Fact(*pair) for pair in zip(pieces(facts[0].known), pieces(facts[0].value), strict=True)
    ]


def _pad(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact] | None:
    fact, filler = facts
    config = equation.params["padding_config"]
    if any(inner or min(low, high) < 0 for low, high, inner in config) or not filler.known.all():
        return None
    shape = structure.shape(equation.inputs[0])
    wide = fact.full([k for k, pads in enumerate(config) if any(pads)], shape)
    edges = [(low, high) for low, high, _ in config]
    known = np.pad(wide.known, edges, constant_values=True)
    return [Fact(known, np.pad(wide.value, edges, constant_values=filler.value.item()))]


def _gather(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact] | None:
    numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    shape = structure.shape(equation.inputs[0])
    rank = len(structure.shape(equation.outputs[0]))
    at = gathered_axis(structure, equation)
    if numbers.operand_batching_dims:
        return None
    fact, uniform = facts[0], at is None
    if uniform:
        indexed = [k for k, size in enumerate(sizes) if size != shape[k]]
        fact = _anywhere(fact, indexed, equation.params["fill_value"])
    axes = numbers.collapsed_slice_dims

    def taken(x):
        if not uniform and x.shape[axes[0]] > 1:
            x = np.take(x, structure.static[equation.inputs[1]].reshape(-1), axes[0])
        kept = [k for k in range(x.ndim) if k not in axes]
        moved = x.transpose(*kept, *axes)
        result = [1] * rank
        for size, to in zip(moved.shape, numbers.offset_dims, strict=False):
            result[to] = size
        if at is not None:
            order = np.argsort([*numbers.offset_dims, at])
            return moved.transpose(order)
        return moved.reshape(result)

    return [fact.map(taken)]


def _anywhere(fact: Fact, axes: Sequence[int], beyond: Any) -> Fact:
    """Of an entry that is taken from anywhere along some axes, or is a number if beyond them."""
    axes = tuple(axes)
    low, high = (reduce(fact.value, axis=axes, keepdims=True) for reduce in (np.min, np.max))
    known = fact.known.all(axis=axes, keepdims=True) & (low == high)
    return Fact.of(known & (True if beyond is None else low == beyond), low)


LAYOUT: dict[str, FactRule] = {
    **dict.fromkeys(_MOVES, _moved),
    "concatenate": _concatenate,
    "gather": _gather,
    "pad": _pad,
    "split": _split,
}
