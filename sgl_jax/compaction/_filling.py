r"""Adds to a sum what removed positions contribute to it, where that is not zero.

From channels that are zero a mean is subtracted, too, so a variance has terms of those removed,

.. math:: \sum_{i=1}^{n} (x_i - m)^2 = \sum_{i \text{ left}} (x_i - m)^2 + (n - n_\text{left}) m^2,

which are all the same. The fill of an array is the value that it has at removed positions, as that
of a sparse array is the value of all entries that are not stored.
"""

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np
from jax import lax

from sgl_jax._util.pytree import is_key
from sgl_jax.compaction.axes import Contraction, Fact, Slicing, Structure, unknown
from sgl_jax.compaction.program import Equation, bodies
from sgl_jax.compaction.rules import PRIMITIVES


__all__ = ["Fill", "Filling", "find_fills"]


@dataclasses.dataclass(frozen=True, eq=False)
class Fill:
    """The value that an array has at all positions removed along an axis, if it is not zero.

    Attributes:
      value: number of the array.
      axis: the axis.
      equation: the operation that makes the array.
      operands: for the number of each operand that varies along the axis its fill; ``None`` for
        zero. Without any the array is the same at all positions.
      zeros: numbers of the arrays that have to be zero at the removed positions.
    """

    value: int
    axis: int
    equation: Equation
    operands: Mapping[int, "Fill | None"]
    zeros: frozenset[int]

    def live(self, facts: Mapping[int, Fact]) -> np.ndarray:
        """True for entries that may have another value than the fill."""
        none = np.zeros((1,) * facts[self.value].known.ndim, bool)
        return functools.reduce(np.logical_or, (facts[value].live for value in self.zeros), none)


_Fills: TypeAlias = dict[tuple[int, int], Fill | None]
"""Fills by the number of the array and the axis; ``None`` for zero."""


def find_fills(structure: Structure) -> dict[Contraction, tuple[Fill, ...]]:
    """Finds the sums to which removed positions contribute, with the fills of their operands.

    An array has a fill if it is made, position by position, from some that are zero at removed
    positions and some that are the same at all of them. Other arrays have to be zero there, and so
    have those from outside of the loop or call that a sum is in.

    Args:
      structure: the program, read.
    """
    sums: dict[Equation, list[Contraction]] = {}
    for contraction in structure.contractions:
        # Without a narrow rule the primitive itself sums over a single position, too.
        if PRIMITIVES[contraction.equation.name].narrow is None:
            sums.setdefault(contraction.equation, []).append(contraction)
    found = {}
    for body in bodies(structure.program.equations):
        makers = {value: equation for equation in body for value in equation.outputs}
        fills: _Fills = {}
        for contraction in (each for equation in body for each in sums.get(equation, ())):
            operands = list(zip(contraction.equation.inputs, contraction.axes, strict=False))
            if all(value in makers for value, _ in operands):
                own = [_find(structure, makers, fills, *operand) for operand in operands]
                filled = tuple(fill for fill in own if fill is not None)
                if len(filled) == len(own):
                    found[contraction] = filled
    return found


def _find(
    structure: Structure, makers: Mapping[int, Equation], fills: _Fills, value: int, axis: int
) -> Fill | None:
    """Finds the fill of an array along an axis, and before it those that it is made from."""
    rest, varying = [value], {}
    while rest:
        number = rest.pop()
        if number in makers and number not in varying and (number, axis) not in fills:
            operands = _varying(structure, makers[number], axis)
            if operands is not None:
                varying[number] = operands
                rest += operands
    for number in sorted(varying):  # in order of evaluation
        operands = {operand: fills.get((operand, axis)) for operand in varying[number]}
        fills[number, axis] = _fill(structure, makers[number], axis, operands)
    return fills.get((value, axis))


def _varying(structure: Structure, equation: Equation, axis: int) -> tuple[int, ...] | None:
    """The operands that vary along an axis of a result, as the fill rule says."""
    rules, avals = PRIMITIVES.get(equation.name), structure.program.avals
    if rules is None or rules.fill is None:
        return None
    keys = any(is_key(avals[value]) for value in (*equation.inputs, *equation.outputs))
    return None if keys else rules.fill(structure, equation, axis)


def _fill(
    structure: Structure, equation: Equation, axis: int, operands: Mapping[int, Fill | None]
) -> Fill | None:
    """The fill of the result of an equation, from those of the operands that vary."""
    facts = [_fact(structure, value, operands) for value in equation.inputs]
    rule = PRIMITIVES[equation.name].fact
    with np.errstate(all="ignore"):
        results = rule(structure, equation, facts) if rule else None
    if results is not None and results[0].zero.all():
        return None
    zeros = {value for value, fill in operands.items() if fill is None}
    zeros.update(*(fill.zeros for fill in operands.values() if fill is not None))
    return Fill(equation.outputs[0], axis, equation, operands, frozenset(zeros))


def _fact(structure: Structure, value: int, operands: Mapping[int, Fill | None]) -> Fact:
    """Finds the fact of an operand at removed positions."""
    aval = structure.program.avals[value]
    rank = len(aval.shape)
    if value in operands and operands[value] is None:
        return Fact(np.ones((1,) * rank, bool), np.zeros((1,) * rank, aval.dtype))
    if value not in operands and value in structure.static:
        return Fact(np.ones((1,) * rank, bool), structure.static[value])
    return unknown(rank, aval.dtype)


class Filling:
    """The fills of a sliced program, made along with its narrow arrays."""

    def __init__(self, slicing: Slicing) -> None:
        self._sums: dict[Equation, list[tuple[Any, tuple[Fill, ...]]]] = {}
        for contraction, fills in find_fills(slicing.structure).items():
            value, axis = fills[0].value, fills[0].axis
            removed = slicing.structure.shape(value)[axis] - slicing.shape(value)[axis]
            if slicing.masks(value)[axis] is not None:
                self._sums.setdefault(contraction.equation, []).append((removed, fills))
        self._made: dict[Equation, list[Fill]] = {}
        used = [fill for sums in self._sums.values() for _, fills in sums for fill in fills]
        for fill in _all_fills(used):
            self._made.setdefault(fill.equation, []).append(fill)

    def make(self, equation: Equation, env: dict[Any, Any]) -> None:
        """Makes the fills of the result of an equation.

        Args:
          equation: an equation that has just been evaluated.
          env: the narrow arrays by number, and the fills, as arrays of one position on their axis.
        """
        for fill in self._made.get(equation, ()):
            if fill.operands:
                operands = [_operand(fill, value, env) for value in equation.inputs]
                (env[fill],) = equation.bind(operands)
            else:
                env[fill] = _first(env[fill.value], fill.axis)

    def complete(self, equation: Equation, sums: list[Any], env: Mapping[Any, Any]) -> list[Any]:
        """Adds what is removed to the results of an equation, if that is a sum with fills."""
        for count, fills in self._sums.get(equation, ()):
            shared = [env[value] for value in equation.inputs[len(fills) :]]
            (term,) = equation.bind([*(env[fill] for fill in fills), *shared])
            sums = [sums[0] + term * jnp.asarray(count).astype(term.dtype)]
        return sums


def _all_fills(fills: Iterable[Fill]) -> Iterable[Fill]:
    """Some fills and all that they are made from, each once."""
    found: dict[Fill, None] = {}
    rest = list(fills)
    while rest:
        fill = rest.pop()
        if fill not in found:
            found[fill] = None
            rest += [operand for operand in fill.operands.values() if operand is not None]
    return found


def _operand(fill: Fill, value: int, env: Mapping[Any, Any]) -> Any:
    """An operand of the equation of a fill, at a removed position where it varies."""
    if value not in fill.operands:
        return env[value]
    made = fill.operands[value]
    return env[made] if made is not None else jnp.zeros_like(_first(env[value], fill.axis))


def _first(x: Any, axis: int) -> Any:
    """The first position along an axis."""
    return lax.slice_in_dim(x, 0, 1, axis=axis)
