"""The rules of what multiplies, sums and slides."""

import numpy as np

from sgl_jax.compaction.axes._disjoint_sets import Axis
from sgl_jax.compaction.axes._structure import Axes, Rule, Sink, Structure
from sgl_jax.compaction.program import Equation


__all__ = ["PRODUCTS"]


def _dot_general(structure: Structure, equation: Equation) -> list[Axes]:
    left, right = (structure.axes[value] for value in equation.inputs)
    contracted, batch = equation.params["dimension_numbers"]
    summed = tuple(map(tuple, contracted))
    for pair in zip(*contracted, strict=True):
        _sum_over(
            structure, equation, (left[pair[0]], right[pair[1]]), Sink(equation, pair, summed)
        )
    shared = [structure.tie((left[i], right[j]), equation) for i, j in zip(*batch, strict=True)]
    free = [
        [axis for k, axis in enumerate(axes) if k not in (*contracted[side], *batch[side])]
        for side, axes in enumerate((left, right))
    ]
    return [(*shared, *free[0], *free[1])]


def _sum_over(structure: Structure, equation: Equation, axes: tuple[Axis, ...], sink: Sink) -> None:
    if structure.tie(axes, equation) is not None:
        structure.sinks.append(sink)


def _conv(structure: Structure, equation: Equation) -> list[Axes] | None:
    if equation.params["batch_group_count"] != 1:
        return None
    image, kernel = (structure.axes[value] for value in equation.inputs)
    numbers = equation.params["dimension_numbers"]
    channels, (inputs, outputs) = numbers.lhs_spec[1], (numbers.rhs_spec[1], numbers.rhs_spec[0])
    for axis in [image[k] for k in numbers.lhs_spec[2:]] + [
        kernel[k] for k in numbers.rhs_spec[2:]
    ]:
        structure.slide(axis, equation)
    groups = equation.params["feature_group_count"]
    made = kernel[outputs]
    if groups == 1:
        sink = Sink(equation, (channels, inputs), ((channels,), (inputs,)))
        _sum_over(structure, equation, (image[channels], kernel[inputs]), sink)
    else:
        made = _tie_groups(structure, equation, image[channels], made, groups)
        structure.protect(kernel[inputs], equation, "has it in every group")
    result: list[Axis] = [None] * len(image)
    result[numbers.out_spec[0]] = image[numbers.lhs_spec[0]]
    result[numbers.out_spec[1]] = made
    return [tuple(result)]


def _tie_groups(
    structure: Structure, equation: Equation, read: Axis, made: Axis, groups: int
) -> Axis:
    """A group of a convolution goes as a whole, with all that it reads and makes."""
    if read is None or made is None:
        return structure.tie((read, made), equation) if read is not made else None
    for axis in (read.reshape(groups, -1), made.reshape(groups, -1)):
        structure.classes.tie(axis, np.broadcast_to(axis[:, :1], axis.shape))
    structure.classes.tie(read.reshape(groups, -1)[:, 0], made.reshape(groups, -1)[:, 0])
    return made


def _reduce_sum(structure: Structure, equation: Equation) -> list[Axes]:
    axes = structure.axes[equation.inputs[0]]
    gone = equation.params["axes"]
    structure.sinks += [Sink(equation, (k,), (gone,)) for k in gone if axes[k] is not None]
    return [tuple(axis for k, axis in enumerate(axes) if k not in gone)]


def _window(structure: Structure, equation: Equation) -> list[Axes]:
    axes = structure.axes[equation.inputs[0]]
    params, found = equation.params, []
    for k, axis in enumerate(axes):
        still = params["window_dimensions"][k] == 1 == params["window_strides"][k]
        if not still or any(params["padding"][k]) or params["base_dilation"][k] != 1:
            structure.slide(axis, equation)
            axis = None
        found.append(axis)
    return [tuple(found)]


PRODUCTS: dict[str, Rule] = {
    **dict.fromkeys(("reduce_window_max", "reduce_window_min", "reduce_window_sum"), _window),
    "conv_general_dilated": _conv,
    "dot_general": _dot_general,
    "reduce_sum": _reduce_sum,
}
