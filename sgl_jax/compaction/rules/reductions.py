"""Reductions along axes: sums, extrema, products and logic."""

from collections.abc import Sequence

import numpy as np

from sgl_jax.compaction.axes import Axes, Contraction, Fact, Structure
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules._primitive import Primitive


__all__ = ["REDUCTIONS"]


def _tie_sum(structure: Structure, equation: Equation) -> list[Axes]:
    axes = structure.axes[equation.inputs[0]]
    reduced = equation.params["axes"]
    structure.contractions += [
        Contraction(equation, (k,), (reduced,)) for k in reduced if axes[k] is not None
    ]
    return [_rest(axes, reduced)]


def _tie(structure: Structure, equation: Equation) -> list[Axes]:
    axes = structure.axes[equation.inputs[0]]
    reduced = equation.params["axes"]
    for k in reduced:
        structure.protect(axes[k], equation)
    return [_rest(axes, reduced)]


def _rest(axes: Axes, reduced: Sequence[int]) -> Axes:
    return tuple(axis for k, axis in enumerate(axes) if k not in reduced)


def _fact(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
    """A result is known if all entries that go into it are."""
    axes = tuple(equation.params["axes"])
    wide = facts[0].widen(axes, structure.shape(equation.inputs[0]))
    value = _NUMPY[equation.name](wide.value, axis=axes).astype(wide.value.dtype)
    return [Fact.of(wide.known.all(axis=axes), value)]


_NUMPY = {
    "reduce_max": np.max,
    "reduce_min": np.min,
    "reduce_prod": np.prod,
    "reduce_sum": np.sum,
}

REDUCTIONS: dict[str, Primitive] = {
    **dict.fromkeys(("argmax", "argmin", "reduce_and", "reduce_or"), Primitive(_tie)),
    **dict.fromkeys(("reduce_max", "reduce_min", "reduce_prod"), Primitive(_tie, _fact)),
    "reduce_sum": Primitive(_tie_sum, _fact),
}
