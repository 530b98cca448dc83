"""The axes of parameters that read channels, not make them."""

from sgl_jax.compaction.axes import Structure
from sgl_jax.compaction.program import Equation, equations


__all__ = ["reading_axes"]


def reading_axes(structure: Structure) -> set[tuple[int, int]]:
    """The arguments and axes that are summed over together with something made from an input.

    Those are the input axes of kernels, also of kernels that are transposed or reshaped first. An
    axis that makes channels elsewhere, as that of a table that embeds words and also gives their
    scores, is not among them.
    """
    program = structure.program
    parameters = [
        value for value in program.inputs if any(a is not None for a in structure.axes[value])
    ]
    from_inputs = set(program.inputs) - set(parameters)
    for equation in equations(program.equations):
        if not from_inputs.isdisjoint(equation.inputs):
            from_inputs.update(equation.outputs)
    summed: set[int] = set()
    for contraction in structure.contractions:
        operands = contraction.equation.inputs
        if from_inputs.isdisjoint(operands):
            continue
        for value, at in zip(operands, contraction.axes, strict=False):
            axis = structure.axes[value][at]
            if value not in from_inputs and axis is not None:
                summed.update(axis.tolist())
    summed -= _left_by_sums(structure, from_inputs)
    return {
        (value, k)
        for value in parameters
        for k, axis in enumerate(structure.axes[value])
        if axis is not None and not summed.isdisjoint(axis.tolist())
    }


def _left_by_sums(structure: Structure, from_inputs: set[int]) -> set[int]:
    """The positions of parameters that meet what is made from an input, and are not summed over."""
    summed: dict[Equation, tuple[tuple[int, ...], ...]] = {
        contraction.equation: contraction.summed for contraction in structure.contractions
    }
    left: set[int] = set()
    for equation in equations(structure.program.equations):
        if from_inputs.isdisjoint(equation.inputs):
            continue
        sums = (*summed.get(equation, ()), *((),) * len(equation.inputs))
        for value, axes in zip(equation.inputs, sums, strict=False):
            if value not in from_inputs:
                kept = (axis for k, axis in enumerate(structure.axes[value]) if k not in axes)
                left.update(n for axis in kept if axis is not None for n in axis.tolist())
    return left
