"""Finds the bias that can take up what constant channels add to a sum."""

import dataclasses

import numpy as np

from sgl_jax.compaction.axes import Axis, Contraction, Fact, Structure
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules import has_borders


__all__ = ["Fold", "fold_of"]


@dataclasses.dataclass(frozen=True, eq=False)
class Fold:
    """A sum over channels some of which carry known numbers, and the bias that can take them up.

    Attributes:
      known: True for channels that are a known number.
      values: the numbers; 0 where not known.
      weights: the factor of each channel in each output, (channels, outputs).
      bias: number of the parameter that is added to the sum, or subtracted from it, per output;
        ``None`` if nothing can take up a constant.
      sign: -1 if it is subtracted.
      why_not: the reason why there is no bias.
    """

    known: np.ndarray
    values: np.ndarray
    weights: np.ndarray | None = None
    bias: int | None = None
    sign: int = 1
    why_not: str = ""

    def bias_change(self, removed: np.ndarray) -> np.ndarray:
        """The change of the bias that makes up for removed channels."""
        return self.sign * (self.values * removed) @ self.weights


def fold_of(
    structure: Structure,
    facts: dict[int, Fact],
    contraction: Contraction,
    sliceable: frozenset[int],
) -> Fold | None:
    """Finds how constant channels of a sum could be replaced; ``None`` if none is constant.

    Args:
      structure: the program, read.
      facts: what is known of its values.
      contraction: the sum.
      sliceable: numbers of the parameters.
    """
    whole = [facts[value].known.all() for value in contraction.equation.inputs]
    found = [
        _fold_side(structure, facts, contraction, sliceable, side)
        for side in range(len(contraction.axes))
        if all(whole) or not whole[side]  # one that is known beside one that is not has the weights
    ]
    folds = [fold for fold in found if fold is not None]
    return next((fold for fold in folds if fold.bias is not None), folds[0] if folds else None)


def _fold_side(
    structure: Structure,
    facts: dict[int, Fact],
    contraction: Contraction,
    sliceable: frozenset[int],
    side: int,
) -> Fold | None:
    """Finds how constant channels of one operand could be replaced."""
    equation = contraction.equation
    value = equation.inputs[side]
    known, values = facts[value].per_channel(contraction.axes[side], structure.shape(value))
    if not known.any():
        return None
    if len(contraction.axes) == 1:
        return Fold(known, values, why_not=f"{equation} sums it without weights")
    if equation.name == "conv_general_dilated" and has_borders(equation):
        return Fold(known, values, why_not=f"{equation} pads it, with other numbers")
    factor, outputs = equation.inputs[1 - side], _output_axis(structure, contraction, 1 - side)
    if outputs is None or not facts[factor].known.all():
        return Fold(known, values, why_not=f"{equation} multiplies it with no known matrix")
    bias = _following_bias(structure, equation, structure.axes[factor][outputs], sliceable)
    if bias is None:
        return Fold(known, values, why_not=f"no bias follows {equation}")
    full = np.broadcast_to(facts[factor].value, structure.shape(factor))
    weights = np.moveaxis(full, (contraction.axes[1 - side], outputs), (-2, -1))
    weights = weights.reshape(-1, *weights.shape[-2:]).sum(axis=0)
    return Fold(known, values, weights, *bias)


def _output_axis(structure: Structure, contraction: Contraction, side: int) -> int | None:
    """The axis of a factor that makes outputs, if its other axes are all summed over."""
    equation = contraction.equation
    if equation.name == "conv_general_dilated":
        numbers = equation.params["dimension_numbers"]
        return numbers.rhs_spec[0] if side == 1 else None
    if equation.name != "dot_general":
        return None
    contracted, batch = equation.params["dimension_numbers"]
    rank = len(structure.shape(equation.inputs[side]))
    outputs = [k for k in range(rank) if k not in (*contracted[side], *batch[side])]
    return outputs[0] if len(outputs) == 1 and not batch[side] and contraction.single else None


def _following_bias(
    structure: Structure, equation: Equation, outputs: Axis, sliceable: frozenset[int]
) -> tuple[int, int] | None:
    """The parameter that the next equation adds or subtracts per output, and its sign."""
    made = equation.outputs[0]
    if outputs is None or not structure.read_once(made):
        return None
    (following,) = structure.uses[made]
    if made not in following.inputs[: _SIDES.get(following.name, 0)]:
        return None
    other = following.inputs[1] if following.inputs[0] == made else following.inputs[0]
    bias = _before_broadcast(structure, other, sliceable)
    if bias is None or not _is_per_output(structure, bias, outputs):
        return None
    return bias, -1 if following.name == "sub" else 1


_SIDES = {"add": 2, "sub": 1}
"""Equations that can take up a constant, and how many of their operands may be the sum."""


def _before_broadcast(structure: Structure, value: int, sliceable: frozenset[int]) -> int | None:
    """The array that a value repeats, if nobody else reads either."""
    while structure.read_once(value) and value not in sliceable:
        maker = structure.makers.get(value)
        if maker is None or maker.name not in ("broadcast_in_dim", "reshape"):
            return None
        value = maker.inputs[0]
    return value if structure.read_once(value) else None


def _is_per_output(structure: Structure, value: int, outputs: np.ndarray) -> bool:
    """True if an array has one entry per output of a sum, tied to that output."""
    per_output = [axis for axis in structure.axes[value] if axis is not None]
    if len(per_output) != 1 or np.prod(structure.shape(value)) != len(outputs):
        return False
    find = structure.sets.find
    return np.array_equal(find(per_output[0]), find(outputs))
