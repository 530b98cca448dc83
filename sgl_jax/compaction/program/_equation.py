"""Equations: applications of primitives to numbered values, and the functions inside of loops."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from jax.extend import core, source_info_util


__all__ = [
    "Equation",
    "Inner",
    "Link",
    "Loop",
    "all_equations",
    "bodies",
    "equations",
    "made_from",
]

_LIBRARIES = ("site-packages", "dist-packages", "sgl_jax/compaction/program", "<frozen")


class Link(NamedTuple):
    """Two values of which one is handed on as the other.

    Attributes:
      source: number of the value that is handed on.
      target: number of the value that it becomes, in one iteration or branch at least.
      sliced: True if the target is one slice of the source, along its first axis.
      stacked: True if the source is one slice of the target.
    """

    source: int
    target: int
    sliced: bool = False
    stacked: bool = False


class Inner(NamedTuple):
    """An inner function, which may also read the operands of its loop or branch.

    Attributes:
      inputs: numbers of the values that it is given anew every time it runs.
      equations: in order of evaluation.
      outputs: numbers of its results.
    """

    inputs: tuple[int, ...]
    equations: tuple["Equation", ...]
    outputs: tuple[int, ...]


class Loop(NamedTuple):
    """A loop or a branch.

    Attributes:
      functions: its inner functions: the body of a scan, condition and body of a while loop, the
        branches of a conditional.
      links: the values that are handed to and from them, and from one iteration to the next.
      control: numbers of the values by which it chooses what to run.
    """

    functions: tuple[Inner, ...]
    links: tuple[Link, ...]
    control: tuple[int, ...] = ()


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
      loop: for a loop or a branch the inner functions; else ``None``.
    """

    primitive: core.Primitive
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    params: dict[str, Any]
    original: core.JaxprEqn
    calls: tuple[core.JaxprEqn, ...] = ()
    body: tuple["Equation", ...] = ()
    loop: Loop | None = None

    @property
    def name(self) -> str:
        """Name of the primitive."""
        return self.primitive.name

    @property
    def reads(self) -> tuple[int, ...]:
        """The inputs of a primitive; of a loop the values that it hands on or is controlled by."""
        if self.loop is None:
            return self.inputs
        return (*self.loop.control, *(link.source for link in self.loop.links))

    def bind(self, arguments: Sequence[Any]) -> list[Any]:
        """Applies the primitive, with its rules of differentiation, to arrays."""
        params = self.primitive.get_bind_params(self.original.params)
        with self.original.ctx.manager:
            found = self.primitive.bind(*arguments, **params)
        return list(found) if self.primitive.multiple_results else [found]

    def __str__(self) -> str:
        return f"{self.name} at {_line_of((self.original, *self.calls))}"


def equations(body: Iterable[Equation]) -> Iterator[Equation]:
    """Iterates over the equations that compute something, with bodies in place of their calls."""
    for equation in body:
        if equation.body:
            yield from equations(equation.body)
        else:
            yield equation


def all_equations(body: Iterable[Equation]) -> Iterator[Equation]:
    """Iterates over :func:`equations` and those in inner functions, which precede their loop."""
    for equation in equations(body):
        for function in equation.loop.functions if equation.loop else ():
            yield from all_equations(function.equations)
        yield equation


def bodies(body: Sequence[Equation]) -> Iterator[Sequence[Equation]]:
    """Iterates over runs of equations: these, those of each call with a body, of each function."""
    yield body
    for equation in body:
        functions = equation.loop.functions if equation.loop else ()
        for inner in (equation.body, *(function.equations for function in functions)):
            yield from bodies(inner) if inner else ()


def made_from(body: Sequence[Equation], values: Iterable[int]) -> set[int]:
    """The values that some equations make from some values, and these."""
    found, before = set(values), 0
    while len(found) > before:  # again as long as a loop hands on what it has just made
        before = len(found)
        for equation in all_equations(body):
            if equation.loop:
                found.update(link.target for link in equation.loop.links if link.source in found)
            elif not found.isdisjoint(equation.inputs):
                found.update(equation.outputs)
    return found


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
