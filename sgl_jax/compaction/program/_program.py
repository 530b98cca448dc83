"""A traced function as a list of equations on numbered values."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend import core, source_info_util


__all__ = ["Equation", "Program", "equations", "trace"]

_CALLS = ("jit", "pjit", "closed_call", "core_call")
_REGIONS = ("checkpoint", "custom_jvp_call", "custom_vjp_call", "remat", "remat2")
_LIBRARIES = ("site-packages", "dist-packages", "sgl_jax/compaction/program", "<frozen")
_LOOPS = ("cond", "scan", "while")


@dataclasses.dataclass(frozen=True, eq=False)
class Equation:
    """One application of a primitive.

    Attributes:
      primitive: what is applied.
      inputs: numbers of the values it is applied to.
      outputs: numbers of the values it makes.
      params: its other arguments.
      original: the equation of the jaxpr.
      calls: the calls around it, innermost first.
      body: for a call that means more than its body (a rule of differentiation, rematerialisation)
        the equations in it, which make ``outputs`` from ``inputs``; else empty. Other calls are
        replaced by what is in them.
    """

    primitive: core.Primitive
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    params: dict[str, Any]
    original: core.JaxprEqn
    calls: tuple[core.JaxprEqn, ...] = ()
    body: tuple["Equation", ...] = ()

    @property
    def name(self) -> str:
        """Name of the primitive."""
        return self.primitive.name

    @property
    def loops(self) -> bool:
        """True if it runs inner functions a number of times that is not known."""
        return self.name in _LOOPS

    def bind(self, arguments: Sequence[Any]) -> list[Any]:
        """Applies the primitive, with its rules of differentiation, to arrays."""
        params = self.primitive.get_bind_params(self.original.params)
        with self.original.ctx.manager:
            found = self.primitive.bind(*arguments, **params)
        return list(found) if self.primitive.multiple_results else [found]

    def __str__(self) -> str:
        return f"{self.name} at {_line_of((self.original, *self.calls))}"


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


def equations(body: Iterable[Equation]) -> Iterator[Equation]:
    """Iterates over the equations that compute something, with bodies in place of their calls."""
    for equation in body:
        if equation.body:
            yield from equations(equation.body)
        else:
            yield equation


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
        found.append(Equation(eqn.primitive, inputs, outputs, params, eqn, calls))
    return tuple(found), tuple(number(atom) for atom in jaxpr.outvars)


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


def _line_of(eqns: tuple[core.JaxprEqn, ...]) -> str:
    """The user's line that an equation comes from: the innermost outside of libraries.

    Args:
      eqns: the equation and the calls around it, which have a line where the equation has none, as
        a function that is compiled once, ``jnp.sort`` say, has.
    """
    for source in (eqn.source_info for eqn in eqns):
        for frame in source.traceback.frames if source.traceback else ():
            if not any(part in frame.file_name for part in _LIBRARIES):
                return f"{frame.file_name}:{frame.line_num} ({frame.function_name})"
    return source_info_util.summarize(eqns[0].source_info)
