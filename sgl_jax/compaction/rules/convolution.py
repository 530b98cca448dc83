"""Convolutions, grouped ones included."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sgl_jax.compaction.axes import Axes, Axis, Contraction, Fact, Slicing, Structure, widen
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules._primitive import Primitive, bind_with


__all__ = ["CONVOLUTION", "has_borders"]


def _tie(structure: Structure, equation: Equation) -> list[Axes] | None:
    if equation.params["batch_group_count"] != 1:
        return None
    image, kernel = (structure.axes[value] for value in equation.inputs)
    numbers = equation.params["dimension_numbers"]
    channels, (inputs, outputs) = numbers.lhs_spec[1], (numbers.rhs_spec[1], numbers.rhs_spec[0])
    for axes, spatial in ((image, numbers.lhs_spec[2:]), (kernel, numbers.rhs_spec[2:])):
        for k in spatial:
            structure.protect_window(axes[k], equation)
    groups = equation.params["feature_group_count"]
    made = kernel[outputs]
    if groups == 1:
        contraction = Contraction(equation, (channels, inputs), ((channels,), (inputs,)))
        structure.contract((image[channels], kernel[inputs]), contraction)
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
    """Ties all that a group of a convolution reads and makes, so that it goes as a whole."""
    if read is None or made is None:
        return structure.tie((read, made), equation) if read is not made else None
    for axis in (read.reshape(groups, -1), made.reshape(groups, -1)):
        structure.sets.union(axis, np.broadcast_to(axis[:, :1], axis.shape))
    structure.sets.union(read.reshape(groups, -1)[:, 0], made.reshape(groups, -1)[:, 0])
    return made


def has_borders(equation: Equation) -> bool:
    """True if some windows of a convolution see padding, or gaps between the entries."""
    params = equation.params
    return any(any(pads) for pads in params["padding"]) or any(
        n > 1 for n in params["lhs_dilation"]
    )


def _fact(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact] | None:
    """A channel is known if every channel it is made of is a known number, or multiplied by 0."""
    if equation.params["batch_group_count"] != 1:
        return None
    numbers, groups = equation.params["dimension_numbers"], equation.params["feature_group_count"]
    shape = structure.shape(equation.inputs[0])
    known, value = facts[0].per_channel(numbers.lhs_spec[1], shape)
    if facts[1].known.all() and not known.any() and facts[1].value.all():
        return None
    kernel = _grouped(facts[1], structure.shape(equation.inputs[1]), numbers.rhs_spec, groups)
    known, value = known.reshape(groups, -1, 1), value.reshape(groups, -1, 1)
    live, loose = kernel.live.any(axis=0), (~kernel.known).any(axis=0)
    not_zero = ~known | (value != 0)
    open_terms = (~known & live) | (not_zero & loose)
    if has_borders(equation):
        open_terms |= (value != 0) & live
    sums = (kernel.value.sum(axis=0) * value).sum(axis=1).reshape(-1)
    result = [1] * len(shape)
    result[numbers.out_spec[1]] = sums.size
    certain = ~open_terms.any(axis=1).reshape(-1)
    return [Fact.of(certain.reshape(result), sums.astype(facts[0].value.dtype).reshape(result))]


def _grouped(kernel: Fact, shape: Sequence[int], spec: Sequence[int], groups: int) -> Fact:
    """The fact of a kernel as (window, group, inputs of a group, outputs of a group)."""
    order = (*spec[2:], spec[1], spec[0])

    def by_group(x):
        x = widen(x, range(x.ndim), shape).transpose(order)
        return np.moveaxis(x.reshape(-1, x.shape[-2], groups, x.shape[-1] // groups), 2, 1)

    return kernel.map(by_group)


def _narrow(slicing: Slicing, equation: Equation, arguments: list[Any]) -> list[Any]:
    params = equation.params
    groups = params["feature_group_count"]
    if groups > 1:
        at = params["dimension_numbers"].lhs_spec[1]
        before = slicing.structure.shape(equation.inputs[0])[at]
        groups = groups * arguments[0].shape[at] // before
    return bind_with(equation, arguments, feature_group_count=groups)


CONVOLUTION: dict[str, Primitive] = {"conv_general_dilated": Primitive(_tie, _fact, _narrow)}
