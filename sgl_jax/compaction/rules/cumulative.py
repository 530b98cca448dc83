"""Cumulative sums, sorting and Fourier transforms: primitives that mix the positions of an axis."""

import functools
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from sgl_jax.compaction.axes import Axes, Fact, Structure
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules._lines import propagate_lines, reduce_lines
from sgl_jax.compaction.rules._primitive import Primitive


__all__ = ["CUMULATIVE"]

Mixed: TypeAlias = Callable[[Structure, Equation], Sequence[int]]
"""The axes that a primitive mixes."""


def _named(parameter: str) -> Mixed:
    """The axis that a parameter names."""
    return lambda structure, equation: (equation.params[parameter],)


def _transformed(structure: Structure, equation: Equation) -> Sequence[int]:
    """The axes of a Fourier transform: the last ones."""
    rank = len(structure.shape(equation.inputs[0]))
    return range(rank - len(equation.params["fft_lengths"]), rank)


def _tie(structure: Structure, equation: Equation, *, mixed: Mixed) -> list[Axes]:
    """Mixed axes stay whole; operands and results share the others."""
    operands = [structure.axes[value] for value in equation.inputs]
    whole = mixed(structure, equation)
    for axes in operands:
        for k in whole:
            structure.protect(axes[k], equation)
    columns = enumerate(zip(*operands, strict=True))
    tied = tuple(None if k in whole else structure.tie(axes, equation) for k, axes in columns)
    return [tied] * len(equation.outputs)


def _fact(
    structure: Structure, equation: Equation, facts: Sequence[Fact], *, mixed: Mixed
) -> list[Fact] | None:
    return propagate_lines(structure, equation, facts, mixed(structure, equation))


def _fact_sort(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
    """A line of one number is the same in any order, whatever the keys are."""
    axis = (equation.params["dimension"],)
    even = []
    for fact in facts:
        known, low, high = reduce_lines(fact, axis)
        even.append(Fact.of(known & (low == high), low))
    lines = propagate_lines(structure, equation, facts, axis)
    return even if lines is None else [_either(*pair) for pair in zip(even, lines, strict=True)]


def _either(first: Fact, second: Fact) -> Fact:
    """Joins two facts of one array: an entry is known if either knows it."""
    value = np.where(first.known, first.value, second.value)
    return Fact(first.known | second.known, value)


def _primitive(mixed: Mixed) -> Primitive:
    return Primitive(functools.partial(_tie, mixed=mixed), functools.partial(_fact, mixed=mixed))


CUMULATIVE: dict[str, Primitive] = {
    **dict.fromkeys(
        ("cumlogsumexp", "cummax", "cummin", "cumprod", "cumsum", "top_k"),
        _primitive(_named("axis")),
    ),
    "fft": _primitive(_transformed),
    "sort": Primitive(functools.partial(_tie, mixed=_named("dimension")), _fact_sort),
}
