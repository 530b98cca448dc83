"""The rule of differentiation that a call brings, as a program of its own."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.extend import core

from sgl_jax.jaxprs._program import Equation, Program, trace


__all__ = ["derivative"]


def derivative(equation: Equation, avals: Sequence[Any], transposed: bool) -> Program:
    """Differentiates a call as its own rule says.

    Args:
      equation: a call with a body.
      avals: shapes and dtypes of its inputs.
      transposed: ``False`` for results and tangents of results, from inputs and tangents of inputs;
        ``True`` for cotangents of inputs, from inputs and cotangents of results.

    Returns:
      The program, on the inputs and then the tangents or cotangents.
    """
    call = _call(equation.original)
    primals = [jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in avals]
    if transposed:

        def rule(primals, cotangents):
            return jax.vjp(call, *primals)[1](cotangents)

        return trace(rule, primals, jax.eval_shape(call, *primals))[0]

    def rule(primals, tangents):
        return jax.jvp(call, tuple(primals), tuple(tangents))

    return trace(rule, primals, primals)[0]


def _call(eqn: core.JaxprEqn) -> Callable[..., list[Any]]:
    """The function that one equation computes."""
    inner = eqn.params["call_jaxpr"].jaxpr
    alone = inner.replace(
        constvars=[], invars=list(eqn.invars), outvars=list(eqn.outvars), eqns=[eqn]
    )
    return core.jaxpr_as_fun(core.ClosedJaxpr(alone, []))
