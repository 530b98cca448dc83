"""Padding."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sgl_jax.compaction.axes import Axes, Axis, Fact, Slicing, Structure
from sgl_jax.compaction.program import Equation
from sgl_jax.compaction.rules._primitive import Primitive, bind_with


__all__ = ["PADDING"]


def _tie(structure: Structure, equation: Equation) -> list[Axes]:
    axes, shape = structure.axes[equation.inputs[0]], structure.shape(equation.outputs[0])
    config = equation.params["padding_config"]
    found: list[Axis] = []
    for axis, size, (low, high, inner) in zip(axes, shape, config, strict=True):
        if axis is None or (low, high, inner) == (0, 0, 0):
            found.append(axis)
        elif inner or min(low, high) < 0:
            structure.protect(axis, equation)
            found += structure.new_axes((size,))
        else:
            edges = structure.sets.new(low), structure.sets.new(high)
            found.append(np.concatenate([edges[0], axis, edges[1]]))
    return [tuple(found)]


def _fact(structure: Structure, equation: Equation, facts: Sequence[Fact]) -> list[Fact] | None:
    fact, filler = facts
    config = equation.params["padding_config"]
    if not filler.known.all():
        return None
    shape = structure.shape(equation.inputs[0])
    wide = fact.widen([k for k, pads in enumerate(config) if any(pads)], shape)
    return [
        Fact(_padded(wide.known, True, config), _padded(wide.value, filler.value.item(), config))
    ]


def _padded(x: np.ndarray, filler: Any, config: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """Pads an array before, behind and between its entries; a negative number cuts some off."""
    for k, (low, high, inner) in enumerate(config):
        if not low and not high and not inner:
            continue
        rows = np.moveaxis(x, k, 0)
        spread = np.full(
            (max(len(rows) * (1 + inner) - inner, 0), *rows.shape[1:]), filler, x.dtype
        )
        spread[:: inner + 1] = rows
        edges = [(max(low, 0), max(high, 0))] + [(0, 0)] * (x.ndim - 1)
        padded = np.pad(spread, edges, constant_values=filler)
        x = np.moveaxis(padded[max(-low, 0) : len(padded) - max(-high, 0)], 0, k)
    return x


def _narrow(slicing: Slicing, equation: Equation, arguments: list[Any]) -> list[Any]:
    config = []
    masks = slicing.masks(equation.outputs[0])
    for mask, (low, high, inner) in zip(masks, equation.params["padding_config"], strict=True):
        if mask is not None:
            low, high = int(mask[:low].sum()), int(mask[len(mask) - high :].sum())
        config.append((low, high, inner))
    return bind_with(equation, arguments, padding_config=tuple(config))


PADDING: dict[str, Primitive] = {"pad": Primitive(_tie, _fact, _narrow)}
