"""For each primitive, which positions of its operands and results are tied.

A rule takes a structure and an equation and returns the axes of every result. It ties axes whose
positions come and go together, records where positions are summed over, and protects what has to
stay whole; ``None`` says that the primitive is used in a way it has no rule for.
"""

import functools

from sgl_jax.compaction.axes._structure import Axes, Rule, Structure
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules.convolution import PRODUCTS
from sgl_jax.compaction.rules.gather import LAYOUT


__all__ = ["ELEMENTWISE", "RULES"]

ELEMENTWISE = frozenset(
    [
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
        "complex",
        "conj",
        "convert_element_type",
        "copy",
        "cos",
        "cosh",
        "digamma",
        "div",
        "eq",
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
        "igammac",
        "imag",
        "integer_pow",
        "is_finite",
        "le",
        "lgamma",
        "log",
        "log1p",
        "logistic",
        "lt",
        "max",
        "min",
        "mul",
        "name",
        "ne",
        "neg",
        "nextafter",
        "not",
        "or",
        "polygamma",
        "population_count",
        "pow",
        "real",
        "reduce_precision",
        "regularized_incomplete_beta",
        "rem",
        "round",
        "rsqrt",
        "select_n",
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
    ]
)


def _elementwise(structure: Structure, equation: Equation) -> list[Axes]:
    shape = structure.shape(equation.outputs[0])
    wide = [v for v in equation.inputs if structure.shape(v)]
    columns = []
    for k, size in enumerate(shape):
        # An operand with a single position there is broadcast.
        for v in wide:
            if structure.shape(v)[k] != size:
                structure.gone(structure.axes[v], [k], equation)
        joined = [structure.axes[v][k] for v in wide if structure.shape(v)[k] == size]
        columns.append(structure.tie(joined, equation))
    return [tuple(columns)]


def _each(structure: Structure, equation: Equation) -> list[Axes]:
    return [structure.axes[value] for value in equation.inputs]


def _along(structure: Structure, equation: Equation, *, axis: str) -> list[Axes]:
    """What mixes the positions of one axis: it stays whole."""
    _protect_axis(structure, equation, equation.params[axis])
    return [_joined(structure, equation, equation.inputs)] * len(equation.outputs)


def _protect_axis(structure: Structure, equation: Equation, at: int) -> None:
    for value in equation.inputs:
        structure.protect(structure.axes[value][at], equation)


def _joined(structure: Structure, equation: Equation, values: tuple[int, ...]) -> Axes:
    columns = zip(*(structure.axes[value] for value in values), strict=True)
    return tuple(structure.tie(column, equation) for column in columns)


def _reduce(structure: Structure, equation: Equation) -> list[Axes]:
    gone = equation.params["axes"]
    for at in gone:
        _protect_axis(structure, equation, at)
    (axes,) = _each(structure, equation)
    return [tuple(axis for k, axis in enumerate(axes) if k not in gone)]


def _source(structure: Structure, equation: Equation) -> list[Axes]:
    return [structure.fresh(structure.shape(value)) for value in equation.outputs]


RULES: dict[str, Rule] = {
    **LAYOUT,
    **PRODUCTS,
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    **dict.fromkeys(
        ("argmax", "argmin", "reduce_and", "reduce_max", "reduce_min", "reduce_or", "reduce_prod"),
        _reduce,
    ),
    **dict.fromkeys(
        ("cumlogsumexp", "cummax", "cummin", "cumprod", "cumsum"),
        functools.partial(_along, axis="axis"),
    ),
    "iota": _source,
    **dict.fromkeys(("device_put", "optimization_barrier"), _each),
    "sort": functools.partial(_along, axis="dimension"),
}
