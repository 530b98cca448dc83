"""For each primitive that is told shapes or positions, how it is applied to narrow arrays."""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np
from jax import lax

from sgl_jax.compaction.axes._slicing import Slicing
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules.gather import gathered_axis


__all__ = ["NARROW"]

NarrowRule: TypeAlias = Callable[[Slicing, Equation, list[Any]], list[Any]]


def _with_params(equation: Equation, arguments: list[Any], **changed: Any) -> list[Any]:
    return [equation.primitive.bind(*arguments, **{**equation.params, **changed})]


def _broadcast(slicing: Slicing, equation: Equation, arguments: list[Any]) -> list[Any]:
    shape = slicing.shape(equation.outputs[0])
    return _with_params(equation, arguments, shape=shape)


def _reshape(slicing: Slicing, equation: Equation, arguments: list[Any]) -> list[Any]:
    return [jnp.reshape(arguments[0], slicing.shape(equation.outputs[0]))]


def _conv(slicing: Slicing, equation: Equation, arguments: list[Any]) -> list[Any]:
    params = equation.params
    groups = params["feature_group_count"]
    if groups > 1:
        at = params["dimension_numbers"].lhs_spec[1]
        before = slicing.structure.shape(equation.inputs[0])[at]
        groups = groups * arguments[0].shape[at] // before
    return _with_params(equation, arguments, feature_group_count=groups)


def _split(slicing: Slicing, equation: Equation, arguments: list[Any]) -> list[Any]:
    at = equation.params["axis"]
    sizes = tuple(slicing.shape(value)[at] for value in equation.outputs)
    ends = np.cumsum(sizes)[:-1].tolist()
    return list(jnp.split(arguments[0], ends, axis=at))


def _slice(slicing: Slicing, equation: Equation, arguments: list[Any]) -> list[Any]:
    params = equation.params
    strides = params["strides"] or (1,) * len(params["start_indices"])
    (x,) = arguments
    for axis, (keep, start, stop, step) in enumerate(
        zip(
            slicing.keeps(equation.inputs[0]),
            params["start_indices"],
            params["limit_indices"],
            strides,
            strict=True,
        )
    ):
        if keep is None:
            x = lax.slice_in_dim(x, start, stop, step, axis)
        else:
            x = _taken(x, keep, np.arange(start, stop, step), axis)
    return [x]


def _taken(x: Any, keep: np.ndarray, positions: np.ndarray, axis: int) -> Any:
    """Those of some positions of an axis that are left, where it keeps only some."""
    at = (np.cumsum(keep) - 1)[positions[keep[positions]]]
    if at.size and np.array_equal(at, np.arange(at[0], at[0] + at.size)):
        return lax.slice_in_dim(x, int(at[0]), int(at[0]) + at.size, axis=axis)
    return jnp.take(x, at, axis=axis)


def _pad(slicing: Slicing, equation: Equation, arguments: list[Any]) -> list[Any]:
    config = []
    keeps = slicing.keeps(equation.outputs[0])
    for keep, (low, high, inner) in zip(keeps, equation.params["padding_config"], strict=True):
        if keep is not None:
            low, high = int(keep[:low].sum()), int(keep[len(keep) - high :].sum())
        config.append((low, high, inner))
    return _with_params(equation, arguments, padding_config=tuple(config))


def _gather(slicing: Slicing, equation: Equation, arguments: list[Any]) -> list[Any]:
    operand, indices = equation.inputs
    keeps, params = slicing.keeps(operand), equation.params
    indexed = [k for k in params["dimension_numbers"].collapsed_slice_dims if keeps[k] is not None]
    if not indexed:
        return _dynamic_slice(slicing, equation, arguments)
    positions = slicing.structure.static[indices].reshape(-1)
    found = _taken(arguments[0], np.asarray(keeps[indexed[0]]), positions, indexed[0])
    at = gathered_axis(slicing.structure, equation)
    return [found if at is None else jnp.moveaxis(found, indexed[0], at)]


def _dynamic_slice(slicing: Slicing, equation: Equation, arguments: list[Any]) -> list[Any]:
    """Slices that take narrow axes whole."""
    keeps, narrow = slicing.keeps(equation.inputs[0]), slicing.shape(equation.inputs[0])
    sizes = zip(equation.params["slice_sizes"], keeps, narrow, strict=True)
    sizes = tuple(size if keep is None else n for size, keep, n in sizes)
    return _with_params(equation, arguments, slice_sizes=sizes)


NARROW: dict[str, NarrowRule] = {
    "broadcast_in_dim": _broadcast,
    "conv_general_dilated": _conv,
    "dynamic_slice": _dynamic_slice,
    "gather": _gather,
    "pad": _pad,
    "reshape": _reshape,
    "slice": _slice,
    "split": _split,
}
