"""For each primitive, what is known of its results.

A rule takes the structure, the equation and the facts of the operands and returns those of the
results; ``None`` says that nothing is known. Arithmetic is that of finite numbers: zero times
anything is zero.
"""

import functools
from collections.abc import Sequence

import jax
import numpy as np

from sgl_jax.compaction._facts import Fact, FactRule
from sgl_jax.compaction._product_facts import conv, dot_general
from sgl_jax.graph import ELEMENTWISE, Structure, blocks, gathered_axis
from sgl_jax.jaxprs import Equation


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


def _moved(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
    return [facts[0].map(functools.partial(_MOVES[equation.name], structure, equation))]


def _transpose(structure: Structure, equation: Equation, x: np.ndarray) -> np.ndarray:
    return x.transpose(equation.params["permutation"])


def _squeeze(structure: Structure, equation: Equation, x: np.ndarray) -> np.ndarray:
    return x.squeeze(tuple(equation.params["dimensions"]))


def _broadcast(structure: Structure, equation: Equation, x: np.ndarray) -> np.ndarray:
    shape = [1] * len(structure.shape(equation.outputs[0]))
    for size, to in zip(x.shape, equation.params["broadcast_dimensions"], strict=True):
        shape[to] = size
    return x.reshape(shape)


def _reshape(structure: Structure, equation: Equation, x: np.ndarray) -> np.ndarray:
    before, after = structure.shape(equation.inputs[0]), structure.shape(equation.outputs[0])
    shape = [1] * len(after)
    for sources, targets in blocks(before, after):
        if any(x.shape[k] > 1 for k in sources):
            x = np.broadcast_to(
                x, [before[k] if k in sources else n for k, n in enumerate(x.shape)]
            )
            for k in targets:
                shape[k] = after[k]
    return x.reshape(shape)


def _slice(structure: Structure, equation: Equation, x: np.ndarray) -> np.ndarray:
    params = equation.params
    strides = params["strides"] or (1,) * x.ndim
    cuts = zip(x.shape, params["start_indices"], params["limit_indices"], strides, strict=True)
    return x[tuple(slice(None) if n == 1 else slice(i, j, k) for n, i, j, k in cuts)]


def _reverse(structure: Structure, equation: Equation, x: np.ndarray) -> np.ndarray:
    return np.flip(x, tuple(equation.params["dimensions"]))


_MOVES = {
    "broadcast_in_dim": _broadcast,
    "reshape": _reshape,
    "rev": _reverse,
    "slice": _slice,
    "squeeze": _squeeze,
    "transpose": _transpose,
}


def _concatenate(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
    at = equation.params["dimension"]
    rank = facts[0].known.ndim
    sizes = np.broadcast_shapes(
        *(
            [1 if k == at else max(fact.known.shape[k], fact.value.shape[k]) for k in range(rank)]
            for fact in facts
        )
    )

    def joined(pick):
        parts = []
        for fact, value in zip(facts, equation.inputs, strict=True):
            shape = [structure.shape(value)[k] if k == at else n for k, n in enumerate(sizes)]
            parts.append(np.broadcast_to(pick(fact), shape))
        return np.concatenate(parts, at)

    return [Fact(joined(lambda fact: fact.known), joined(lambda fact: fact.value))]


def _split(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact]:
    at = equation.params["axis"]
    ends = np.cumsum(equation.params["sizes"])[:-1]

    def pieces(x):
        return [x] * (len(ends) + 1) if x.shape[at] == 1 else np.split(x, ends, at)

    return [
        Fact(*pair) for pair in zip(pieces(facts[0].known), pieces(facts[0].value), strict=True)
    ]


def _pad(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact] | None:
    fact, filler = facts
    config = equation.params["padding_config"]
    if any(inner or min(low, high) < 0 for low, high, inner in config) or not filler.known.all():
        return None
    shape = structure.shape(equation.inputs[0])
    wide = fact.full([k for k, pads in enumerate(config) if any(pads)], shape)
    edges = [(low, high) for low, high, _ in config]
    known = np.pad(wide.known, edges, constant_values=True)
    return [Fact(known, np.pad(wide.value, edges, constant_values=filler.value.item()))]


def _gather(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact] | None:
    numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    shape = structure.shape(equation.inputs[0])
    rank = len(structure.shape(equation.outputs[0]))
    uniform = all(n == 1 for k, n in enumerate(facts[0].known.shape) if sizes[k] != shape[k])
    uniform &= all(n == 1 for k, n in enumerate(facts[0].value.shape) if sizes[k] != shape[k])
    at = gathered_axis(structure, equation)
    if numbers.operand_batching_dims or not (uniform or at is not None):
        return None
    axes = numbers.collapsed_slice_dims

    def taken(x):
        if not uniform and x.shape[axes[0]] > 1:
            x = np.take(x, structure.static[equation.inputs[1]].reshape(-1), axes[0])
        kept = [k for k in range(x.ndim) if k not in axes]
        moved = x.transpose(*kept, *axes)
        result = [1] * rank
        for size, to in zip(moved.shape, numbers.offset_dims, strict=False):
            result[to] = size
        if at is not None:
            order = np.argsort([*numbers.offset_dims, at])
            return moved.transpose(order)
        return moved.reshape(result)

    return [facts[0].map(taken)]


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
    slid = [k for k, size in enumerate(window) if size > 1 or any(padding[k])]
    if any(x.shape[k] > 1 for k in slid for x in (fact.known, fact.value)):
        return None
    if equation.name != "reduce_window_sum":
        return [fact]
    padded = any(any(pads) for pads in padding)
    known = fact.zero if padded else fact.known
    return [Fact.of(known, (fact.value * np.prod(window)).astype(fact.value.dtype))]


RULES: dict[str, FactRule] = {
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    **dict.fromkeys(_MOVES, _moved),
    **dict.fromkeys(_REDUCTIONS, _reduced),
    **dict.fromkeys(("reduce_window_max", "reduce_window_min", "reduce_window_sum"), _window),
    "concatenate": _concatenate,
    "conv_general_dilated": conv,
    "dot_general": dot_general,
    "gather": _gather,
    **dict.fromkeys(
        ("device_put", "optimization_barrier"), lambda structure, equation, facts: list(facts)
    ),
    "pad": _pad,
    "select_n": _select,
    "split": _split,
}
