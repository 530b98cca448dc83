"""Constant channels: where what they add to a sum can be added to a bias instead."""

import dataclasses

import numpy as np

from sgl_jax.compaction.axes import Axis, Sink, Structure
from sgl_jax.compaction.axes._facts import Fact
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules.dot_general import channel_fact, has_borders


__all__ = ["Fold", "fold_of"]


@dataclasses.dataclass(frozen=True, eq=False)
class Fold:
    """A sum over channels, some of which carry known numbers.

    Attributes:
      known: per channel, whether it is a known number.
      values: the numbers; 0 where not known.
      weights: what each channel is multiplied by for each output, (channels, outputs).
      bias: number of the parameter that is added to the sum, or subtracted from it, per output;
        ``None`` if nothing can take up a constant.
      sign: -1 if it is subtracted.
      why_not: why there is none.
    """

    known: np.ndarray
    values: np.ndarray
    weights: np.ndarray | None = None
    bias: int | None = None
    sign: int = 1
    why_not: str = ""

    def added(self, removed: np.ndarray) -> np.ndarray:
        """What the bias must change by if channels are removed."""
        return self.sign * (self.values * removed) @ self.weights


def fold_of(
    structure: Structure, facts: dict[int, Fact], sink: Sink, sliceable: frozenset[int]
) -> Fold | None:
    """How constant channels of a sum could be replaced; ``None`` if none of them is constant."""
    whole = [facts[value].known.all() for value in sink.equation.inputs]
    found = [
        _fold(structure, facts, sink, sliceable, side)
        for side in range(len(sink.axes))
        if all(whole) or not whole[side]  # else these are the weights of what is not known
    ]
    folds = [fold for fold in found if fold is not None]
    return next((fold for fold in folds if fold.bias is not None), folds[0] if folds else None)


def _fold(
    structure: Structure,
    facts: dict[int, Fact],
    sink: Sink,
    sliceable: frozenset[int],
    side: int,
) -> Fold | None:
    """The same for one of the factors."""
    equation = sink.equation
    value = equation.inputs[side]
    known, values = channel_fact(facts[value], sink.axes[side], structure.shape(value))
    if not known.any():
        return None
    if len(sink.axes) == 1:
        return Fold(known, values, why_not=f"{equation} sums it without weights")
    if equation.name == "conv_general_dilated" and has_borders(equation):
        return Fold(known, values, why_not=f"{equation} pads it, with other numbers")
    factor, outputs = equation.inputs[1 - side], _outputs(structure, sink, 1 - side)
    if outputs is None or not facts[factor].known.all():
        return Fold(known, values, why_not=f"{equation} multiplies it with no known matrix")
    bias = _bias(structure, equation, structure.axes[factor][outputs], sliceable)
    if bias is None:
        return Fold(known, values, why_not=f"no bias follows {equation}")
    full = np.broadcast_to(facts[factor].value, structure.shape(factor))
    weights = np.moveaxis(full, (sink.axes[1 - side], outputs), (-2, -1))
    weights = weights.reshape(-1, *weights.shape[-2:]).sum(axis=0)
    return Fold(known, values, weights, *bias)


def _outputs(structure: Structure, sink: Sink, side: int) -> int | None:
    """The axis of a factor that makes outputs, if all it does besides is to sum over inputs."""
    if sink.equation.name == "conv_general_dilated":
        numbers = sink.equation.params["dimension_numbers"]
        return numbers.rhs_spec[0] if side == 1 else None
    contracted, batch = sink.equation.params["dimension_numbers"]
    rank = len(structure.shape(sink.equation.inputs[side]))
    outputs = [k for k in range(rank) if k not in (*contracted[side], *batch[side])]
    return outputs[0] if len(outputs) == 1 and not batch[side] and sink.alone else None


def _bias(
    structure: Structure, equation: Equation, outputs: Axis, sliceable: frozenset[int]
) -> tuple[int, int] | None:
    """The parameter that the next operation adds or subtracts per output, and its sign."""
    made = equation.outputs[0]
    if outputs is None or not structure.read_once(made):
        return None
    (following,) = structure.uses[made]
    if (
        following.name not in ("add", "sub")
        or made not in following.inputs[: _SIDES[following.name]]
    ):
        return None
    other = following.inputs[1] if following.inputs[0] == made else following.inputs[0]
    while structure.read_once(other) and other not in sliceable:
        maker = structure.makers.get(other)
        if maker is None or maker.name not in _MOVES:
            return None
        other = maker.inputs[0]
    per_output = [axis for axis in structure.axes[other] if axis is not None]
    one = len(per_output) == 1 and np.prod(structure.shape(other)) == len(outputs)
    if not one or not structure.read_once(other):
        return None
    if not np.array_equal(structure.classes.find(per_output[0]), structure.classes.find(outputs)):
        return None
    return other, -1 if following.name == "sub" else 1


_SIDES = {"add": 2, "sub": 1}
"""How many operands of what takes up a constant may be the sum."""

_MOVES = ("broadcast_in_dim", "reshape")
