"""Adding and dropping axes along which nothing changes."""

from collections.abc import Sequence
from typing import Any

from sgl_jax.compaction.axes import Axes, Fact, Slicing, Structure
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules._primitive import Primitive, bind_with


__all__ = ["BROADCASTING"]


def _tie_broadcast(structure: Structure, equation: Equation) -> list[Axes]:
    value, shape = equation.inputs[0], structure.shape(equation.outputs[0])
    new = structure.new_axes(shape)
    found = list(new)
    for k, to in enumerate(equation.params["broadcast_dimensions"]):
        if structure.shape(value)[k] == shape[to]:
            found[to] = structure.axes[value][k]
        else:
            structure.protect(structure.axes[value][k], equation)
    structure.repeated += [a for a, b in zip(new, found, strict=True) if a is b and a is not None]
    return [tuple(found)]


def _fact_broadcast(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
    rank = len(structure.shape(equation.outputs[0]))

    def with_new_axes(x):
        shape = [1] * rank
        for size, to in zip(x.shape, equation.params["broadcast_dimensions"], strict=True):
            shape[to] = size
        return x.reshape(shape)

    return [facts[0].map(with_new_axes)]


def _narrow_broadcast(slicing: Slicing, equation: Equation, arguments: list[Any]) -> list[Any]:
    return bind_with(equation, arguments, shape=slicing.shape(equation.outputs[0]))


def _fill_broadcast(structure: Structure, equation: Equation, axis: int) -> tuple[int, ...] | None:
    """A result is the same along an axis along which it repeats its operand."""
    before, after = (structure.shape(value[0]) for value in (equation.inputs, equation.outputs))
    pairs = zip(equation.params["broadcast_dimensions"], before, strict=True)
    return None if (axis, after[axis]) in pairs else ()


def _tie_squeeze(structure: Structure, equation: Equation) -> list[Axes]:
    axes, dropped = structure.axes[equation.inputs[0]], equation.params["dimensions"]
    for k in dropped:
        structure.protect(axes[k], equation)
    return [tuple(axis for k, axis in enumerate(axes) if k not in dropped)]


def _fact_squeeze(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
    return [facts[0].map(lambda x: x.squeeze(tuple(equation.params["dimensions"])))]


BROADCASTING: dict[str, Primitive] = {
    "broadcast_in_dim": Primitive(
        _tie_broadcast, _fact_broadcast, _narrow_broadcast, _fill_broadcast
    ),
    "squeeze": Primitive(_tie_squeeze, _fact_squeeze),
}
