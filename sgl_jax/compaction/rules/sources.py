"""Primitives whose results depend on no array of numbers: counters and random numbers."""

from typing import Any

from sgl_jax.compaction.axes import Axes, Slicing, Structure
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules._primitive import Primitive


__all__ = ["SOURCES"]


def _tie(structure: Structure, equation: Equation) -> list[Axes]:
    """Seeds and keys stay whole; positions of the results are new ones."""
    for value in equation.inputs:
        for axis in structure.axes[value]:
            structure.protect(axis, equation)
    return [structure.new_axes(structure.shape(value)) for value in equation.outputs]


def _narrow(slicing: Slicing, equation: Equation, arguments: list[Any]) -> list[Any]:
    """The numbers are those of the whole array, without the positions that were removed."""
    found = equation.bind(arguments)
    return [slicing.take(value, x) for value, x in zip(equation.outputs, found, strict=True)]


_NAMES = (
    "iota",
    "random_bits",
    "random_clone",
    "random_fold_in",
    "random_seed",
    "random_split",
    "random_unwrap",
    "random_wrap",
    "rng_bit_generator",
    "rng_uniform",
    "threefry2x32",
)

SOURCES: dict[str, Primitive] = dict.fromkeys(_NAMES, Primitive(_tie, None, _narrow))
