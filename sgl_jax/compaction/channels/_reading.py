"""Reads a program: ties the axes of every equation by the rule of its primitive."""

from collections.abc import Iterable, Sequence
from typing import Any

import jax
import numpy as np
from jax import export

from sgl_jax._util.pytree import is_key
from sgl_jax.compaction.axes import Axes, Structure, close
from sgl_jax.compaction.program import Equation, Link, Loop, Program, equations
from sgl_jax.compaction.rules import PRIMITIVES


__all__ = ["read_equations", "read_program"]

_MOST_STATIC = 1 << 16
"""Entries of the largest array of indices that is evaluated while a program is read."""


def read_program(program: Program, sliceable: Sequence[int]) -> Structure:
    """Reads a program of which some arguments may be sliced, and no result.

    Args:
      program: what to read.
      sliceable: numbers of those arguments.
    """
    structure = Structure(program)
    for value in program.inputs:
        shape = program.shape(value)
        axes = structure.new_axes(shape) if value in sliceable else (None,) * len(shape)
        structure.axes[value] = axes
    read_equations(structure)
    for value in program.outputs:
        for axis in structure.axes[value]:
            structure.sets.protect(axis, "it is an output of the network")
    _protect_closed_over(structure, sliceable)
    close(structure.sets)
    return structure


def _protect_closed_over(structure: Structure, sliceable: Sequence[int]) -> None:
    """Protects the axes of arrays that the function closes over, if no argument has them, too."""
    axes = [axis for value in sliceable for axis in structure.axes[value] if axis is not None]
    roots = np.unique(structure.sets.find(np.concatenate([np.zeros(0, int), *axes])))
    for value in structure.program.closed_over:
        for axis in structure.axes[value]:
            if axis is not None and not np.isin(structure.sets.find(axis), roots).any():
                structure.sets.protect(axis, "an array that the network closes over has it")


def read_equations(structure: Structure) -> None:
    """Reads all equations into a structure whose arguments have their axes already."""
    for number, value in structure.program.constants.items():
        structure.axes[number] = structure.new_axes(np.shape(value))
        opaque = isinstance(value, jax.core.Tracer) or is_key(structure.program.avals[number])
        if np.size(value) <= _MOST_STATIC and not opaque:
            structure.static[number] = np.asarray(value)
    _read(structure, structure.program.equations)


def _read(structure: Structure, body: Iterable[Equation]) -> None:
    for equation in equations(body):
        if equation.loop:
            _read_loop(structure, equation, equation.loop)
            continue
        rules = PRIMITIVES.get(equation.name)
        found = rules.tie(structure, equation) if rules else None
        if found is None:
            found = _read_unknown(structure, equation)
        structure.axes.update(zip(equation.outputs, found, strict=True))
        _evaluate(structure, equation)


def _read_loop(structure: Structure, equation: Equation, loop: Loop) -> None:
    """Reads inner functions, and ties what is handed from one to another or round a loop."""
    entering = [link for link in loop.links if link.source in structure.axes]
    for link in entering:
        _hand_on(structure, equation, link)
    for function in loop.functions:
        _read(structure, function.equations)
    for link in loop.links:
        if link not in entering:
            _hand_on(structure, equation, link)
    controlling = [axis for value in loop.control for axis in structure.axes[value]]
    for axis in controlling:
        structure.protect(axis, equation, "is controlled by it")
    leading = [structure.axes[link.source][0] for link in loop.links if link.sliced]
    for axis in leading:
        structure.protect(axis, equation, "runs over it")
    structure.tie(leading, equation)


def _hand_on(structure: Structure, equation: Equation, link: Link) -> None:
    """Gives the target of a link the axes of its source, tied to those that it has already."""
    axes = structure.axes[link.source]
    if link.sliced:
        axes = axes[1:]
    elif link.stacked:
        axes = (None, *axes)
    if link.target in structure.axes:
        pairs = zip(structure.axes[link.target], axes, strict=True)
        axes = tuple(structure.tie(pair, equation) for pair in pairs)
    structure.axes[link.target] = axes


def _read_unknown(structure: Structure, equation: Equation) -> list[Axes]:
    """Keeps the operands whole; the results are whole, and may be sliced behind the equation."""
    met = [axis for v in equation.inputs for axis in structure.axes[v] if axis is not None]
    if met:
        structure.unknown.append(equation)
        for axis in met:
            structure.protect(axis, equation)
    return [structure.new_axes(structure.shape(value)) for value in equation.outputs]


def _evaluate(structure: Structure, equation: Equation) -> None:
    """Keeps small values that depend on no argument, such as the indices of a gather."""
    if not all(value in structure.static for value in equation.inputs) or _has_symbols(
        structure, equation
    ):
        return
    size = sum(np.prod(structure.shape(value)) for value in equation.outputs)
    keys = any(is_key(structure.program.avals[value]) for value in equation.outputs)
    if size > _MOST_STATIC or keys or equation.original.effects:
        return
    arguments: list[Any] = [structure.static[value] for value in equation.inputs]
    with jax.ensure_compile_time_eval():
        found = equation.primitive.bind(*arguments, **equation.params)
    results = found if equation.primitive.multiple_results else [found]
    structure.static.update(zip(equation.outputs, map(np.asarray, results), strict=True))


def _has_symbols(structure: Structure, equation: Equation) -> bool:
    """True if results depend on a size that is a symbol, such as that of the batch of an export."""
    sizes = [size for value in equation.outputs for size in structure.shape(value)]
    return any(map(export.is_symbolic_dim, [*sizes, *equation.params.values()]))
