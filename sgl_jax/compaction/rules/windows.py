"""For each primitive, what is known of its results.

A rule takes the structure, the equation and the facts of the operands and returns those of the
results; ``None`` says that nothing is known. Arithmetic is that of finite numbers: zero times
anything is zero.
"""

import functools
from collections.abc import Sequence

import jax
import numpy as np

from sgl_jax.compaction.axes import Structure
from sgl_jax.compaction.axes._facts import Fact, FactRule
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules.concatenation import LAYOUT
from sgl_jax.compaction.rules.dot_general import conv, dot_general
from sgl_jax.compaction.rules.elementwise import ELEMENTWISE


__all__ = ["RULES"]


def _evaluated(
    structure: Structure, equation: Equation, arguments: Sequence[np.ndarray]
) -> np.ndarray:
    """An elementwise primitive of small arrays that broadcast."""
    function = _NUMPY.get(equation.name)
    if function is not None:
        return np.asarray(function(*arguments))
    dtypes = [structure.program.avals[value].dtype for value in equation.inputs]
    shape = np.broadcast_shapes(*(a.shape for a in arguments if a.ndim))
    wide = [
        np.asarray(np.broadcast_to(a, shape) if a.ndim else a, dtype)
        for a, dtype in zip(arguments, dtypes, strict=True)
    ]
    with jax.ensure_compile_time_eval():
        return np.asarray(equation.primitive.bind(*wide, **equation.params))


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


def _elementwise(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
    known = functools.reduce(np.logical_and, [fact.known for fact in facts])
    value = _evaluated(structure, equation, [fact.value for fact in facts])
    absorbed = _ABSORBING.get(equation.name)
    if absorbed is not None:
        zero = functools.reduce(np.logical_or, [facts[k].zero for k in absorbed])
        value, known = np.where(zero, np.zeros_like(value), value), known | zero
    return [Fact.of(known, value)]


_ABSORBING = {"mul": (0, 1), "div": (0,)}
"""Operands whose zeros are zeros of the result."""


def _select(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
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


def _reduced(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
    """A sum or an extremum is known if all that goes into it is."""
    axes = tuple(equation.params["axes"])
    wide = facts[0].full(axes, structure.shape(equation.inputs[0]))
    value = _REDUCTIONS[equation.name](wide.value, axis=axes).astype(wide.value.dtype)
    return [Fact.of(wide.known.all(axis=axes), value)]


_REDUCTIONS = {
    "reduce_max": np.max,
    "reduce_min": np.min,
    "reduce_prod": np.prod,
    "reduce_sum": np.sum,
}


def _window(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact] | None:
    """Of a window the largest of equal numbers is known; their sum, too, if none is padding."""
    (fact,) = facts
    window, padding = equation.params["window_dimensions"], equation.params["padding"]
    dilation = equation.params["base_dilation"]
    moved = zip(padding, equation.params["window_strides"], dilation, strict=True)
    slid = [
        k
        for k, (pads, stride, gaps) in enumerate(moved)
        if window[k] > 1 or any(pads) or stride > 1 or gaps > 1
    ]
    if any(x.shape[k] > 1 for k in slid for x in (fact.known, fact.value)):
        return None
    if equation.name != "reduce_window_sum":
        return [fact]
    padded = any(any(pads) for pads in padding) or max(dilation) > 1
    known = fact.zero if padded else fact.known
    return [Fact.of(known, (fact.value * np.prod(window)).astype(fact.value.dtype))]


RULES: dict[str, FactRule] = {
    **LAYOUT,
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    **dict.fromkeys(_REDUCTIONS, _reduced),
    **dict.fromkeys(("reduce_window_max", "reduce_window_min", "reduce_window_sum"), _window),
    "conv_general_dilated": conv,
    "dot_general": dot_general,
    **dict.fromkeys(
        ("device_put", "optimization_barrier"), lambda structure, equation, facts: list(facts)
    ),
    "select_n": _select,
}
