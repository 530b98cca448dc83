"""Permuting axes, and reversing the positions along them."""

from collections.abc import Sequence

import numpy as np

from sgl_jax.compaction.axes import Axes, Fact, Structure
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules._primitive import Primitive


__all__ = ["PERMUTATION"]


def _tie_transpose(structure: Structure, equation: Equation) -> list[Axes]:
    axes = structure.axes[equation.inputs[0]]
    return [tuple(axes[k] for k in equation.params["permutation"])]


def _fact_transpose(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
    return [facts[0].map(lambda x: x.transpose(equation.params["permutation"]))]


def _tie_reverse(structure: Structure, equation: Equation) -> list[Axes]:
    axes, turned = structure.axes[equation.inputs[0]], equation.params["dimensions"]
    return [tuple(a[::-1] if a is not None and k in turned else a for k, a in enumerate(axes))]


def _fact_reverse(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
    return [facts[0].map(lambda x: np.flip(x, tuple(equation.params["dimensions"])))]


PERMUTATION: dict[str, Primitive] = {
    "rev": Primitive(_tie_reverse, _fact_reverse),
    "transpose": Primitive(_tie_transpose, _fact_transpose),
}
