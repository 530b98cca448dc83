"""Reads loops and branches: their inner functions, and the values that these hand on."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from jax.extend import core

from sgl_jax.compaction.program._equation import Equation, Inner, Link, Loop


__all__ = ["LOOPS", "count_scan_operands"]


Inline: TypeAlias = Callable[..., tuple[tuple[Equation, ...], tuple[int, ...]]]
"""Puts a jaxpr on values of the program: its equations and results."""

New: TypeAlias = Callable[[Any], int]
"""Adds a value of some shape and dtype to the program."""


def count_scan_operands(params: Mapping[str, Any]) -> tuple[int, int]:
    """Counts the constants and the carried values of a scan, its first operands.

    Args:
      params: parameters of the primitive: two numbers up to jax 0.11, a tree of operands later.
    """
    if "ft_in" in params:
        consts, carried, _ = params["ft_in"].unpack()
        return len(list(consts)), len(list(carried))
    return params["num_consts"], params["num_carry"]


def _scan(
    inline: Inline, new: New, eqn: core.JaxprEqn, inputs: Sequence[int], outputs: Sequence[int]
) -> Loop:
    closed, (consts, count) = eqn.params["jaxpr"], count_scan_operands(eqn.params)
    given = tuple(new(var.aval) for var in closed.jaxpr.invars[consts:])
    body = Inner(given, *inline(closed, (*inputs[:consts], *given)))
    carried = body.outputs[:count]
    initial, stacks = inputs[consts : consts + count], inputs[consts + count :]
    links = [
        *map(Link, initial, given[:count]),
        *(Link(*pair, sliced=True) for pair in zip(stacks, given[count:], strict=True)),
        *map(Link, carried, given[:count]),
        # Without an iteration the result is what the loop starts from.
        *map(Link, carried if eqn.params["length"] != 0 else given[:count], outputs[:count]),
        *(
            Link(*pair, stacked=True)
            for pair in zip(body.outputs[count:], outputs[count:], strict=True)
        ),
    ]
    return Loop((body,), tuple(links))


def _while(
    inline: Inline, new: New, eqn: core.JaxprEqn, inputs: Sequence[int], outputs: Sequence[int]
) -> Loop:
    in_condition, in_body = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
    consts, initial = inputs[: in_condition + in_body], inputs[in_condition + in_body :]
    given = tuple(new(var.aval) for var in eqn.params["body_jaxpr"].jaxpr.invars[in_body:])
    condition = Inner(given, *inline(eqn.params["cond_jaxpr"], (*consts[:in_condition], *given)))
    body = Inner(given, *inline(eqn.params["body_jaxpr"], (*consts[in_condition:], *given)))
    links = [
        *map(Link, initial, given),
        *map(Link, body.outputs, given),
        *map(Link, given, outputs),
    ]
    return Loop((condition, body), tuple(links), condition.outputs)


def _cond(
    inline: Inline, new: New, eqn: core.JaxprEqn, inputs: Sequence[int], outputs: Sequence[int]
) -> Loop:
    branches = [Inner((), *inline(branch, inputs[1:])) for branch in eqn.params["branches"]]
    links = [link for branch in branches for link in map(Link, branch.outputs, outputs)]
    return Loop(tuple(branches), tuple(links), tuple(inputs[:1]))


LOOPS: dict[str, Callable[..., Loop]] = {"cond": _cond, "scan": _scan, "while": _while}
"""Reads the inner functions of a primitive into a program, by its name."""
