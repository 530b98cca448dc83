"""Reductions along axes: sums, extrema, products, logic, and reductions by any function."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sgl_jax.compaction.axes import Axes, Contraction, Fact, Structure
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules._lines import propagate_lines
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
    "pmax": np.max,
    "pmin": np.min,
    "psum": np.sum,
    "reduce_and": np.bitwise_and.reduce,
    "reduce_max": np.max,
    "reduce_min": np.min,
    "reduce_or": np.bitwise_or.reduce,
    "reduce_prod": np.prod,
    "reduce_sum": np.sum,
    "reduce_xor": np.bitwise_xor.reduce,
}


def _fact_position(
    structure: Structure, equation: Equation, facts: Sequence[Fact]
) -> list[Fact] | None:
    return propagate_lines(structure, equation, facts, equation.params["axes"])


def _if_mapped(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Applies a rule to collectives over axes that ``vmap`` named, and knows no others."""

    def mapped(structure: Structure, equation: Equation, *facts: Sequence[Fact]) -> Any:
        return rule(structure, equation, *facts) if _is_mapped(equation) else None

    return mapped


def _is_mapped(equation: Equation) -> bool:
    """True for a collective over axes that ``vmap`` named, in one group: a plain reduction."""
    params = equation.params
    positional = all(isinstance(axis, int) for axis in params["axes"])
    return positional and params["axis_index_groups"] is None and len(equation.inputs) == 1


def _tie_any(structure: Structure, equation: Equation) -> list[Axes]:
    """Several arrays are reduced at once; half of the operands are their initial values."""
    count, reduced = len(equation.outputs), equation.params["dimensions"]
    operands = [structure.axes[value] for value in equation.inputs[:count]]
    for axes in operands:
        for k in reduced:
            structure.protect(axes[k], equation)
    columns = zip(*(_rest(axes, reduced) for axes in operands), strict=True)
    return [tuple(structure.tie(column, equation) for column in columns)] * count


def _fact_any(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact] | None:
    return propagate_lines(structure, equation, facts, equation.params["dimensions"])


REDUCTIONS: dict[str, Primitive] = {
    **dict.fromkeys(("argmax", "argmin"), Primitive(_tie, _fact_position)),
    **dict.fromkeys(("pmax", "pmin"), Primitive(_if_mapped(_tie), _if_mapped(_fact))),
    "psum": Primitive(_if_mapped(_tie_sum), _if_mapped(_fact)),
    "reduce": Primitive(_tie_any, _fact_any),
    **dict.fromkeys(
        ("reduce_and", "reduce_max", "reduce_min", "reduce_or", "reduce_prod", "reduce_xor"),
        Primitive(_tie, _fact),
    ),
    "reduce_sum": Primitive(_tie_sum, _fact),
}
