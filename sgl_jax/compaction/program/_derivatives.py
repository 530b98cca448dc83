"""Traces the rule of differentiation of a call as a program of its own."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from sgl_jax.compaction.program._equation import Equation
from sgl_jax.compaction.program._program import Program, trace


__all__ = ["derivative", "smooth"]


def smooth(avals: Sequence[Any]) -> list[int]:
    """The numbers of the arrays that can be differentiated: those of real or complex numbers."""
    return [k for k, aval in enumerate(avals) if jnp.issubdtype(aval.dtype, jnp.inexact)]


def derivative(equation: Equation, avals: Sequence[Any], transposed: bool) -> Program:
    """Differentiates a call as its own rule says.

    Args:
      equation: a call with a body.
      avals: shapes and dtypes of its inputs.
      transposed: ``False`` for results and tangents of results, from inputs and tangents of inputs;
        ``True`` for cotangents of inputs, from inputs and cotangents of results. Arrays that are
        not :func:`smooth` have neither.

    Returns:
      The program, on the inputs and then the tangents or cotangents.
    """
    primals = [jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in avals]
    inputs = smooth(primals)

    def call(primals: Sequence[Any]) -> Callable[..., Any]:
        """The call as a function of its smooth inputs, with its smooth results and all of them."""

        def function(*moving):
            arguments = list(primals)
            for k, value in zip(inputs, moving, strict=True):
                arguments[k] = value
            results = equation.bind(arguments)
            return [results[k] for k in smooth(results)], results

        return function

    def tangents(primals, moving):
        starts = [primals[k] for k in inputs]
        _, changes, results = jax.jvp(call(primals), starts, list(moving), has_aux=True)
        return results, changes

    def cotangents(primals, moving):
        starts = [primals[k] for k in inputs]
        return jax.vjp(call(primals), *starts, has_aux=True)[1](list(moving))

    if not transposed:
        return trace(tangents, primals, [primals[k] for k in inputs])[0]
    results = jax.eval_shape(lambda primals: equation.bind(primals), primals)
    return trace(cotangents, primals, [results[k] for k in smooth(results)])[0]
