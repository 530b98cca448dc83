"""Constant propagation through a program, given the values of its parameters."""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from sgl_jax._util.pytree import is_key
from sgl_jax.compaction.axes import Fact, Structure, unknown
from sgl_jax.compaction.program import Equation, Link, Loop, equations
from sgl_jax.compaction.rules import PRIMITIVES


__all__ = ["propagate_constants"]

_ROUNDS = 8
"""Rounds of a loop after which a carried array that still changes is taken for unknown."""


def propagate_constants(
    structure: Structure, arguments: Mapping[int, Any], carried: Mapping[int, Fact] | None = None
) -> dict[int, Fact]:
    """Propagates the values of some arguments through a program.

    Args:
      structure: the program, read.
      arguments: the arguments whose values are known.
      carried: facts of inputs of inner functions, in place of what their loops make of them.

    Returns:
      A fact for every value of the program.
    """
    program, found = structure.program, {}
    for number in program.inputs:
        found[number] = _unknown(structure, number)
    for number, value in (*program.constants.items(), *arguments.items()):
        if not is_key(program.avals[number]):
            value = np.asarray(value)
            found[number] = Fact(np.ones((1,) * value.ndim, bool), value)
        else:
            found[number] = _unknown(structure, number)
    _propagate(structure, program.equations, found, carried or {})
    return found


def _propagate(
    structure: Structure,
    body: Iterable[Equation],
    found: dict[int, Fact],
    carried: Mapping[int, Fact],
) -> None:
    for equation in equations(body):
        if equation.loop:
            _propagate_loop(structure, equation, equation.loop, found, carried)
            continue
        rules = PRIMITIVES.get(equation.name)
        operands = [found[value] for value in equation.inputs]
        results = None
        if rules and rules.fact and any(fact.known.any() for fact in operands):
            with np.errstate(all="ignore"):
                results = rules.fact(structure, equation, operands)
        if results is None:
            results = [_unknown(structure, value) for value in equation.outputs]
        found.update(zip(equation.outputs, results, strict=True))


def _propagate_loop(
    structure: Structure,
    equation: Equation,
    loop: Loop,
    found: dict[int, Fact],
    carried: Mapping[int, Fact],
) -> None:
    """Propagates through a loop what is the same in all of its iterations.

    Carried arrays are taken to be always what they are at first; what an iteration changes is
    forgotten, and all is done again until nothing changes.
    """
    inside = {value for function in loop.functions for value in function.inputs}
    inward = [link for link in loop.links if link.target in inside]
    given = _agreed(found, [link for link in inward if link.source in equation.inputs])
    given |= {value: carried[value] for value in given if value in carried}
    for rounds in itertools.count():
        found.update(given)
        for function in loop.functions:
            _propagate(structure, function.equations, found, carried)
        after = {value: given[value].agree(fact) for value, fact in _agreed(found, inward).items()}
        after = {value: fact for value, fact in after.items() if value not in carried}
        changed = [value for value in after if (given[value].known & ~after[value].known).any()]
        if not changed:
            break
        for value in changed:
            given[value] = after[value] if rounds < _ROUNDS else _unknown(structure, value)
    found.update(_agreed(found, [link for link in loop.links if link.target not in inside]))


def _agreed(found: Mapping[int, Fact], links: Iterable[Link]) -> dict[int, Fact]:
    """For every target of some links the fact on which all of its sources agree."""
    agreed: dict[int, Fact] = {}
    for link in links:
        fact = found[link.source]
        if link.sliced:
            fact = fact.any_slice()
        elif link.stacked:
            fact = fact.map(lambda x: x[None])
        agreed[link.target] = agreed[link.target].agree(fact) if link.target in agreed else fact
    return agreed


def _unknown(structure: Structure, value: int) -> Fact:
    aval = structure.program.avals[value]
    return unknown(len(aval.shape), np.float32 if is_key(aval) else aval.dtype)
