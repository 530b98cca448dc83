"""Constant propagation through a program, given the values of its parameters."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sgl_jax._util.pytree import is_key
from sgl_jax.compaction.axes import Fact, Structure, unknown
from sgl_jax.compaction.program import equations
from sgl_jax.compaction.rules import PRIMITIVES


__all__ = ["propagate_constants"]


def propagate_constants(structure: Structure, arguments: Mapping[int, Any]) -> dict[int, Fact]:
    """Propagates the values of some arguments through a program.

    Args:
      structure: the program, read.
      arguments: the arguments whose values are known.

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
    for equation in equations(program.equations):
        rules = PRIMITIVES.get(equation.name)
        operands = [found[value] for value in equation.inputs]
        results = None
        if rules and rules.fact and any(fact.known.any() for fact in operands):
            with np.errstate(all="ignore"):
                results = rules.fact(structure, equation, operands)
        if results is None:
            results = [_unknown(structure, value) for value in equation.outputs]
        found.update(zip(equation.outputs, results, strict=True))
    return found


def _unknown(structure: Structure, value: int) -> Fact:
    aval = structure.program.avals[value]
    return unknown(len(aval.shape), np.float32 if is_key(aval) else aval.dtype)
