"""Runs loops and branches anew, with inner functions of narrow arrays."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax.numpy as jnp
from jax import lax

from sgl_jax.compaction.program import Equation, Inner, Loop, count_scan_operands


__all__ = ["LOOPS", "Run"]

Run: TypeAlias = Callable[[Inner, Sequence[Any]], list[Any]]
"""Runs an inner function on its own inputs; it knows the operands of the loop already."""


def _scan(equation: Equation, loop: Loop, arguments: Sequence[Any], run: Run) -> list[Any]:
    params, (body,) = equation.params, loop.functions
    start, count = count_scan_operands(params)
    initial, stacks = arguments[start : start + count], arguments[start + count :]

    def step(carry, slices):
        found = run(body, [*carry, *slices])
        return found[:count], found[count:]

    carry, stacked = lax.scan(
        step,
        list(initial),
        list(stacks),
        length=None if stacks else params["length"],  # lax.scan takes no symbol
        reverse=params["reverse"],
        unroll=params["unroll"],
    )
    return [*carry, *stacked]


def _while(equation: Equation, loop: Loop, arguments: Sequence[Any], run: Run) -> list[Any]:
    """Runs until the condition is false; a loop in lanes until it is in all, each with its own."""
    condition, body = loop.functions
    start = equation.params["cond_nconsts"] + equation.params["body_nconsts"]

    def step(carry):
        going, found = run(condition, carry)[0], run(body, carry)
        if not going.ndim:
            return found
        masks = (going.reshape(*going.shape, *[1] * (x.ndim - going.ndim)) for x in carry)
        return list(map(jnp.where, masks, found, carry))

    return lax.while_loop(
        lambda carry: jnp.any(run(condition, carry)[0]), step, list(arguments[start:])
    )


def _cond(equation: Equation, loop: Loop, arguments: Sequence[Any], run: Run) -> list[Any]:
    branches = [lambda branch=branch: run(branch, ()) for branch in loop.functions]
    return lax.switch(arguments[0], branches)


LOOPS: dict[str, Callable[..., list[Any]]] = {"cond": _cond, "scan": _scan, "while": _while}
"""Runs a loop or a branch with its operands, by the name of its primitive."""
