"""Propagates what is known of the parameters through a program."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sgl_jax._util.pytree import is_key
from sgl_jax.compaction.axes import Structure
from sgl_jax.compaction.axes._facts import Fact, unknown
from sgl_jax.compaction.program import equations
from sgl_jax.compaction.rules.windows import RULES


__all__ = ["facts_of"]


def facts_of(structure: Structure, arguments: Mapping[int, Any]) -> dict[int, Fact]:
    """What is known of every value of a program.

    Args:
      structure: the program, read.
      arguments: those of its arguments whose values are known.
    """
    program, found = structure.program, {}
    for number in program.inputs:
        found[number] = _nothing(structure, number)
    for number, value in (*program.constants.items(), *arguments.items()):
        if not is_key(program.avals[number]):
            value = np.asarray(value)
            found[number] = Fact(np.ones((1,) * value.ndim, bool), value)
        else:
            found[number] = _nothing(structure, number)
    for equation in equations(program.equations):
        rule = RULES.get(equation.name)
        known = [found[value] for value in equation.inputs]
        made = None
        if rule and any(fact.known.any() for fact in known):
            with np.errstate(all="ignore"):
                made = rule(structure, equation, known)
        if made is None:
            made = [_nothing(structure, value) for value in equation.outputs]
        found.update(zip(equation.outputs, made, strict=True))
    return found


def _nothing(structure: Structure, value: int) -> Fact:
    aval = structure.program.avals[value]
    return unknown(len(aval.shape), np.float32 if is_key(aval) else aval.dtype)
