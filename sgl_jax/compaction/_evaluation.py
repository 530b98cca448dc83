"""Evaluates a program without the positions that were removed from it."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from sgl_jax.compaction._filling import Filling
from sgl_jax.compaction._loops import LOOPS
from sgl_jax.compaction.axes import Slicing, Structure
from sgl_jax.compaction.channels import read_equations
from sgl_jax.compaction.program import Equation, Loop, all_equations, derivative, smooth
from sgl_jax.compaction.rules import PRIMITIVES


__all__ = ["Evaluation"]


class Evaluation:
    """A sliced program as a function of narrow arrays."""

    def __init__(self, slicing: Slicing) -> None:
        self.slicing, self.program = slicing, slicing.structure.program
        self._constants = {n: self.slicing.take(n, x) for n, x in self.program.constants.items()}
        self._derivatives: dict[tuple[Equation, bool], Evaluation] = {}
        self._filling = Filling(slicing)

    def __call__(self, arguments: Sequence[Any]) -> list[Any]:
        env = self._constants | dict(zip(self.program.inputs, arguments, strict=True))
        self._run(self.program.equations, env)
        return [env[value] for value in self.program.outputs]

    @property
    def holds_tracers(self) -> bool:
        """True if it holds values of a trace, and must not outlive it."""
        return any(isinstance(x, jax.core.Tracer) for x in self._constants.values())

    def _run(self, body: Sequence[Equation], env: dict[Any, Any]) -> None:
        for equation in body:
            arguments = [env[value] for value in equation.inputs]
            if equation.body:
                found = self._call(equation, arguments)
            elif equation.loop and not self._is_whole(equation):
                found = self._loop(equation, equation.loop, arguments)
            else:
                found = self._evaluate(equation, arguments)
                found = self._filling.complete(equation, found, env)
            env.update(zip(equation.outputs, found, strict=True))
            self._filling.make(equation, env)

    def _evaluate(self, equation: Equation, arguments: list[Any]) -> list[Any]:
        """Applies a primitive to narrow operands, by its narrow rule if it has one."""
        rules = PRIMITIVES.get(equation.name)
        if rules and rules.narrow and not self._is_whole(equation):
            return rules.narrow(self.slicing, equation, arguments)
        found = equation.bind(arguments)
        if rules:
            return found
        # Without rules the results are whole, and what reads them may be narrow.
        return [self.slicing.take(n, x) for n, x in zip(equation.outputs, found, strict=True)]

    def _is_whole(self, equation: Equation) -> bool:
        """True if all that an equation reads and makes is whole, in inner functions, too."""
        inside = all_equations([equation])
        values = (value for inner in inside for value in (*inner.inputs, *inner.outputs))
        return all(mask is None for value in values for mask in self.slicing.masks(value))

    def _loop(self, equation: Equation, loop: Loop, arguments: list[Any]) -> list[Any]:
        """Runs a loop or a branch, whose inner functions see its operands."""

        def run(function, given):
            env = self._constants | dict(zip(equation.inputs, arguments, strict=True))
            env |= dict(zip(function.inputs, given, strict=True))
            self._run(function.equations, env)
            return [env[value] for value in function.outputs]

        return LOOPS[equation.name](equation, loop, arguments, run)

    def _call(self, equation: Equation, arguments: list[Any]) -> list[Any]:
        """Evaluates the body of a call, with its rematerialisation or rule of differentiation."""

        def body(*arguments):
            env = self._constants | dict(zip(equation.inputs, arguments, strict=True))
            self._run(equation.body, env)
            return [env[value] for value in equation.outputs]

        wrap = _CALLS.get(equation.name)
        return wrap(self, equation, body)(*arguments) if wrap else body(*arguments)

    def derivative_rule(self, equation: Equation, transposed: bool) -> "Evaluation":
        """The rule of differentiation of a call, as a program without what is removed.

        Raises:
          ValueError: it needs what is removed.
        """
        key = equation, transposed
        if key not in self._derivatives:
            self._derivatives[key] = self._read_derivative(equation, transposed)
        return self._derivatives[key]

    def _read_derivative(self, equation: Equation, transposed: bool) -> "Evaluation":
        avals = [self.program.avals[value] for value in equation.inputs]
        program = derivative(equation, avals, transposed)
        structure = Structure(program, self.slicing.structure.sets.copy())
        moving = equation.outputs if transposed else equation.inputs
        moving = [moving[k] for k in smooth([self.program.avals[value] for value in moving])]
        for value, same in zip(program.inputs, [*equation.inputs, *moving], strict=True):
            structure.axes[value] = self.slicing.structure.axes[same]
        read_equations(structure)
        slicing = Slicing(structure, self.slicing.requested)
        if slicing.differs(self.slicing):
            raise ValueError(
                f"The rule of differentiation of {equation} needs channels that were removed: keep "
                "them with protect=, or leave the rule out."
            )
        return Evaluation(slicing)


def _checkpointed(evaluation: Evaluation, equation: Equation, body: Callable) -> Callable:
    params = equation.params
    return jax.checkpoint(body, prevent_cse=params["prevent_cse"], policy=params["policy"])


def _with_jvp(evaluation: Evaluation, equation: Equation, body: Callable) -> Callable:
    function = jax.custom_jvp(body)

    @function.defjvp
    def rule(primals, tangents):
        own = evaluation.derivative_rule(equation, transposed=False)
        found = own([*primals, *(tangents[k] for k in smooth(primals))])
        results, changes = found[: len(equation.outputs)], found[len(equation.outputs) :]
        return results, _for_each(results, changes, lambda x: np.zeros(x.shape, jax.dtypes.float0))

    return function


def _with_vjp(evaluation: Evaluation, equation: Equation, body: Callable) -> Callable:
    function = jax.custom_vjp(body)

    def backward(primals, cotangents):
        own = evaluation.derivative_rule(equation, transposed=True)
        moving = smooth([evaluation.program.avals[value] for value in equation.outputs])
        found = own([*primals, *(cotangents[k] for k in moving)])
        return tuple(_for_each(primals, found, lambda x: None))

    function.defvjp(lambda *primals: (body(*primals), primals), backward)
    return function


def _for_each(
    values: Sequence[Any], changes: Sequence[Any], otherwise: Callable[[Any], Any]
) -> list[Any]:
    """One entry per value: its change if it is smooth, else what ``otherwise`` makes of it."""
    found = dict(zip(smooth(values), changes, strict=True))
    return [found[k] if k in found else otherwise(value) for k, value in enumerate(values)]


_CALLS = {
    "checkpoint": _checkpointed,
    "custom_jvp_call": _with_jvp,
    "custom_vjp_call": _with_vjp,
    "remat": _checkpointed,
    "remat2": _checkpointed,
}
