"""Elementwise primitives; operands of one position are broadcast."""

import functools
from collections.abc import Sequence

import numpy as np

from sgl_jax.compaction.axes import Axes, Fact, Structure
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules._lines import apply
from sgl_jax.compaction.rules._primitive import Primitive


__all__ = ["ELEMENTWISE"]

_NAMES = (
    "abs",
    "acos",
    "acosh",
    "add",
    "add_any",
    "and",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "bessel_i0e",
    "bessel_i1e",
    "cbrt",
    "ceil",
    "clamp",
    "clz",
    "complex",
    "conj",
    "convert_element_type",
    "copy",
    "cos",
    "cosh",
    "digamma",
    "div",
    "eq",
    "eq_to",
    "erf",
    "erf_inv",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "floor",
    "ge",
    "gt",
    "igamma",
    "igamma_grad_a",
    "igammac",
    "imag",
    "integer_pow",
    "is_finite",
    "le",
    "le_to",
    "lgamma",
    "log",
    "log1p",
    "log2",
    "logistic",
    "lt",
    "lt_to",
    "max",
    "min",
    "mul",
    "mulhi",
    "name",
    "ne",
    "neg",
    "nextafter",
    "not",
    "one_minus_square",
    "or",
    "polygamma",
    "polynomial",
    "population_count",
    "pow",
    "real",
    "reduce_precision",
    "regularized_incomplete_beta",
    "rem",
    "round",
    "rsqrt",
    "shift_left",
    "shift_right_arithmetic",
    "shift_right_logical",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "stop_gradient",
    "sub",
    "tan",
    "tanh",
    "xor",
    "zeta",
)


def _tie(structure: Structure, equation: Equation) -> list[Axes]:
    shape = structure.shape(equation.outputs[0])
    arrays = [value for value in equation.inputs if structure.shape(value)]
    columns = []
    for k, size in enumerate(shape):
        # An operand with a single position there is broadcast.
        for value in arrays:
            if structure.shape(value)[k] != size:
                structure.protect(structure.axes[value][k], equation)
        wide = [structure.axes[v][k] for v in arrays if structure.shape(v)[k] == size]
        columns.append(structure.tie(wide, equation))
    return [tuple(columns)]


def _fact(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
    known = functools.reduce(np.logical_and, [fact.known for fact in facts])
    value = _evaluate(structure, equation, [fact.value for fact in facts])
    absorbing = _ABSORBING.get(equation.name)
    if absorbing is not None:
        zero = functools.reduce(np.logical_or, [facts[k].zero for k in absorbing])
        value, known = np.where(zero, np.zeros_like(value), value), known | zero
    return [Fact.of(known, value)]


def _fill(structure: Structure, equation: Equation, axis: int) -> tuple[int, ...]:
    """Operands of a single position there, and numbers, are the same at all positions."""
    size = structure.shape(equation.outputs[0])[axis]
    shapes = [structure.shape(value) for value in equation.inputs]
    pairs = zip(equation.inputs, shapes, strict=True)
    return tuple(value for value, shape in pairs if shape[axis : axis + 1] == (size,))


_ABSORBING = {
    "and": (0, 1),
    "div": (0,),
    "mul": (0, 1),
    "mulhi": (0, 1),
    "rem": (0,),
    "shift_left": (0,),
    "shift_right_arithmetic": (0,),
    "shift_right_logical": (0,),
}
"""Operands whose zeros are zeros of the result."""


def _evaluate(
    structure: Structure, equation: Equation, arguments: Sequence[np.ndarray]
) -> np.ndarray:
    """Applies a primitive to small arrays that broadcast."""
    function = _NUMPY.get(equation.name)
    if function is not None:
        return np.asarray(function(*arguments))
    shape = np.broadcast_shapes(*(a.shape for a in arguments if a.ndim))
    wide = [np.broadcast_to(a, shape) if a.ndim else a for a in arguments]
    return apply(structure, equation, wide)[0]


_NUMPY = {
    "add": np.add,
    "max": np.maximum,
    "min": np.minimum,
    "mul": np.multiply,
    "neg": np.negative,
    "rsqrt": lambda x: np.reciprocal(np.sqrt(x)),
    "sqrt": np.sqrt,
    "square": np.square,
    "sub": np.subtract,
}
"""Frequent primitives as functions of NumPy, which need no compilation."""


def _fact_select(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
    """An entry is known if the case that is chosen is, or if all cases are the same number."""
    which, *cases = facts
    chosen = which.value.astype(int)
    known, value = cases[0].known, cases[0].value
    for k, case in enumerate(cases[1:], start=1):
        known = np.where(chosen == k, case.known, known)
        value = np.where(chosen == k, case.value, value)
    same = functools.reduce(
        np.logical_and,
        [case.known & cases[0].known & (case.value == cases[0].value) for case in cases],
    )
    value = np.where(which.known, value, cases[0].value)
    return [Fact.of(np.where(which.known, known, same), value)]


def _tie_bits(structure: Structure, equation: Equation) -> list[Axes] | None:
    return _tie(structure, equation) if _keeps_rank(structure, equation) else None


def _fact_bits(
    structure: Structure, equation: Equation, facts: Sequence[Fact]
) -> list[Fact] | None:
    return _fact(structure, equation, facts) if _keeps_rank(structure, equation) else None


def _keeps_rank(structure: Structure, equation: Equation) -> bool:
    """True for numbers that are read as others of as many bits, not as several or as a part."""
    before, after = (structure.shape(value[0]) for value in (equation.inputs, equation.outputs))
    return len(before) == len(after)


def _tie_same(structure: Structure, equation: Equation) -> list[Axes]:
    """Every result is an operand."""
    return [structure.axes[value] for value in equation.inputs]


def _fact_same(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
    return list(facts)


ELEMENTWISE: dict[str, Primitive] = {
    **dict.fromkeys(_NAMES, Primitive(_tie, _fact, fill=_fill)),
    "bitcast_convert_type": Primitive(_tie_bits, _fact_bits),
    **dict.fromkeys(("device_put", "optimization_barrier"), Primitive(_tie_same, _fact_same)),
    "select_n": Primitive(_tie, _fact_select, fill=_fill),
}
