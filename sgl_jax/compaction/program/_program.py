"""A traced function as a list of equations on numbered values."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.extend import core

from sgl_jax.compaction.program._equation import Equation, Loop
from sgl_jax.compaction.program._loops import LOOPS


__all__ = ["Program", "trace"]

_CALLS = ("jit", "pjit", "closed_call", "core_call")
_REGIONS = ("checkpoint", "custom_jvp_call", "custom_vjp_call", "remat", "remat2")


@dataclasses.dataclass(eq=False)
class Program:
    """A traced function.

    Attributes:
      inputs: numbers of its arguments.
      outputs: numbers of its results.
      equations: in order of evaluation.
      avals: shape and dtype of every value.
      constants: the values that depend on no argument and are made by no equation: literals, and
        arrays that the function closes over.
      closed_over: which of the constants are arrays that the function closes over.
    """

    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    equations: tuple[Equation, ...] = ()
    avals: list[Any] = dataclasses.field(default_factory=list)
    constants: dict[int, Any] = dataclasses.field(default_factory=dict)
    closed_over: set[int] = dataclasses.field(default_factory=set)

    def shape(self, value: int) -> tuple[Any, ...]:
        """Shape of a value; sizes may be symbols."""
        return tuple(self.avals[value].shape)

    def _new(self, aval: Any) -> int:
        self.avals.append(aval)
        return len(self.avals) - 1

    def _constant(self, value: Any, closed_over: bool = False) -> int:
        number = self._new(jax.typeof(value))
        self.constants[number] = value
        if closed_over:
            self.closed_over.add(number)
        return number


def trace(function: Callable[..., Any], *arguments: Any) -> tuple[Program, Any]:
    """Traces ``function(*arguments)``; nothing is computed.

    Args:
      function: any function that JAX can trace.
      *arguments: pytrees of arrays or ``jax.ShapeDtypeStruct``.

    Returns:
      The program, on the leaves of the arguments, and the structure of its result.
    """
    closed, result = jax.make_jaxpr(function, return_shape=True)(*arguments)
    program = Program()
    program.inputs = tuple(program._new(var.aval) for var in closed.jaxpr.invars)
    program.equations, program.outputs = _inline(program, closed, program.inputs)
    return program, jax.tree.structure(result)


def _inline(
    program: Program,
    closed: core.ClosedJaxpr,
    arguments: tuple[int, ...],
    calls: tuple[core.JaxprEqn, ...] = (),
) -> tuple[tuple[Equation, ...], tuple[int, ...]]:
    """The equations and results of a jaxpr on values of the program."""
    jaxpr = closed.jaxpr
    numbers = dict(zip(jaxpr.invars, arguments, strict=True))
    for var, value in zip(jaxpr.constvars, closed.consts, strict=True):
        numbers[var] = program._constant(value, closed_over=np.ndim(value) > 0)

    def number(atom):
        return program._constant(atom.val) if isinstance(atom, core.Literal) else numbers[atom]

    found = []
    for eqn in jaxpr.eqns:
        inputs = tuple(number(atom) for atom in eqn.invars)
        params = {name: _python(value) for name, value in eqn.params.items()}
        inner = _inner(eqn)
        if inner is not None:
            given = inputs[len(inputs) - len(inner.jaxpr.invars) :]
            body, results = _inline(program, inner, given, (eqn, *calls))
            numbers.update(zip(eqn.outvars, results, strict=True))
            if eqn.primitive.name not in _REGIONS:
                found += body
                continue
            found.append(Equation(eqn.primitive, inputs, results, params, eqn, calls, body))
            continue
        outputs = tuple(program._new(var.aval) for var in eqn.outvars)
        numbers.update(zip(eqn.outvars, outputs, strict=True))
        loop = _read_loop(program, eqn, inputs, outputs, (eqn, *calls))
        found.append(Equation(eqn.primitive, inputs, outputs, params, eqn, calls, loop=loop))
    return tuple(found), tuple(number(atom) for atom in jaxpr.outvars)


def _read_loop(
    program: Program,
    eqn: core.JaxprEqn,
    inputs: tuple[int, ...],
    outputs: tuple[int, ...],
    calls: tuple[core.JaxprEqn, ...],
) -> Loop | None:
    """The inner functions of a loop or a branch, on values of the program."""

    def inline(closed, arguments):
        return _inline(program, closed, arguments, calls)

    read = LOOPS.get(eqn.primitive.name)
    return read(inline, program._new, eqn, inputs, outputs) if read else None


def _python(value: Any) -> Any:
    """Converts axes and sizes of NumPy's types to Python's."""
    if isinstance(value, np.integer):
        return int(value)
    if type(value) in (tuple, list):
        return type(value)(map(_python, value))
    return value


def _inner(eqn: core.JaxprEqn) -> core.ClosedJaxpr | None:
    """The function that an equation calls exactly once, with its last inputs, if there is one.

    Among branches for several platforms it is the branch of the platform at hand.
    """
    platforms = eqn.params.get("branches_platforms")
    if platforms is not None:
        here = (names is None or jax.default_backend() in names for names in platforms)
        return eqn.params["branches"][next((k for k, own in enumerate(here) if own), -1)]
    if eqn.primitive.name not in _CALLS + _REGIONS:
        return None
    inner = eqn.params["jaxpr" if "jaxpr" in eqn.params else "call_jaxpr"]
    return inner if isinstance(inner, core.ClosedJaxpr) else core.ClosedJaxpr(inner, [])
