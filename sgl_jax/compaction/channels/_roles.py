"""Which axes of parameters read channels, and which make them."""

from sgl_jax.compaction.axes._structure import Structure
from sgl_jax.compaction.program import equations


__all__ = ["reading_axes"]


def reading_axes(structure: Structure) -> set[tuple[int, int]]:
    """The arguments and axes that are summed over together with something made from an input.

    Those are the input axes of kernels, also of kernels that are transposed or reshaped first.
    """
    program = structure.program
    parameters = [
        value for value in program.inputs if any(a is not None for a in structure.axes[value])
    ]
    of_inputs = set(program.inputs) - set(parameters)
    for equation in equations(program.equations):
        if not of_inputs.isdisjoint(equation.inputs):
            of_inputs.update(equation.outputs)
    summed: set[int] = set()
    for sink in structure.sinks:
        if of_inputs.isdisjoint(sink.equation.inputs):
            continue
        for value, at in zip(sink.equation.inputs, sink.axes, strict=False):
            axis = structure.axes[value][at]
            if value not in of_inputs and axis is not None:
                summed.update(axis.tolist())
    return {
        (value, k)
        for value in parameters
        for k, axis in enumerate(structure.axes[value])
        if axis is not None and not summed.isdisjoint(axis.tolist())
    }
