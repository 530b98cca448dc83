"""Evaluates a program without what was removed from it."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from sgl_jax.compaction.axes import Structure
from sgl_jax.compaction.axes._slicing import Slicing
from sgl_jax.compaction.channels import read
from sgl_jax.compaction.program import Equation, derivative, smooth
from sgl_jax.compaction.rules.elementwise import RULES
from sgl_jax.compaction.rules.slicing import NARROW


__all__ = ["Evaluation"]


class Evaluation:
    """A program, read, and what is removed from it: a function of narrow arrays."""

    def __init__(self, slicing: Slicing) -> None:
        self.slicing, self.program = slicing, slicing.structure.program
        self._constants = {n: self.slicing.take(n, x) for n, x in self.program.constants.items()}
        self._rules: dict[tuple[Equation, bool], Evaluation] = {}

    def __call__(self, arguments: Sequence[Any]) -> list[Any]:
        env = self._constants | dict(zip(self.program.inputs, arguments, strict=True))
        self._run(self.program.equations, env)
        return [env[value] for value in self.program.outputs]

    @property
    def borrows(self) -> bool:
        """Whether it holds values of a trace, and must not outlive it."""
        return any(isinstance(x, jax.core.Tracer) for x in self._constants.values())

    def _run(self, body: Sequence[Equation], env: dict[int, Any]) -> None:
        for equation in body:
            arguments = [env[value] for value in equation.inputs]
            step = self._call if equation.body else self._evaluate
            found = step(equation, arguments)
            env.update(zip(equation.outputs, found, strict=True))

    def _evaluate(self, equation: Equation, arguments: list[Any]) -> list[Any]:
        values = (*equation.inputs, *equation.outputs)
        whole = all(keep is None for value in values for keep in self.slicing.keeps(value))
        rule = None if whole else NARROW.get(equation.name)
        if rule is not None:
            return rule(self.slicing, equation, arguments)
        found = equation.bind(arguments)
        if equation.name in RULES and equation.inputs:
            return found
        # What came out is whole, since what went in is.
        return [
            self.slicing.take(n, value) for n, value in zip(equation.outputs, found, strict=True)
        ]

    def _call(self, equation: Equation, arguments: list[Any]) -> list[Any]:
        """A call that means more than its body keeps that meaning."""

        def body(*arguments):
            env = self._constants | dict(zip(equation.inputs, arguments, strict=True))
            self._run(equation.body, env)
            return [env[value] for value in equation.outputs]

        wrap = _CALLS.get(equation.name)
        return wrap(self, equation, body)(*arguments) if wrap else body(*arguments)

    def rule_of(self, equation: Equation, transposed: bool) -> "Evaluation":
        """The rule of differentiation of a call, as a program without what is removed.

        Raises:
          ValueError: it needs what is removed.
        """
        key = equation, transposed
        if key not in self._rules:
            self._rules[key] = self._read_rule(equation, transposed)
        return self._rules[key]

    def _read_rule(self, equation: Equation, transposed: bool) -> "Evaluation":
        avals = [self.program.avals[value] for value in equation.inputs]
        program = derivative(equation, avals, transposed)
        structure = Structure(program, self.slicing.structure.classes.copy())
        moving = equation.outputs if transposed else equation.inputs
        moving = [moving[k] for k in smooth([self.program.avals[value] for value in moving])]
        for value, same in zip(program.inputs, [*equation.inputs, *moving], strict=True):
            structure.axes[value] = self.slicing.structure.axes[same]
        read(structure)
        slicing = Slicing(structure, self.slicing.removed)
        if slicing.breaks(self.slicing):
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
        own = evaluation.rule_of(equation, transposed=False)
        found = own([*primals, *(tangents[k] for k in smooth(primals))])
        results, changes = found[: len(equation.outputs)], found[len(equation.outputs) :]
        return results, _among(results, changes, lambda x: np.zeros(x.shape, jax.dtypes.float0))

    return function


def _with_vjp(evaluation: Evaluation, equation: Equation, body: Callable) -> Callable:
    function = jax.custom_vjp(body)

    def backward(primals, cotangents):
        own = evaluation.rule_of(equation, transposed=True)
        moving = smooth([evaluation.program.avals[value] for value in equation.outputs])
        found = own([*primals, *(cotangents[k] for k in moving)])
        return tuple(_among(primals, found, lambda x: None))

    function.defvjp(lambda *primals: (body(*primals), primals), backward)
    return function


def _among(values: Sequence[Any], changes: Sequence[Any], rest: Callable[[Any], Any]) -> list[Any]:
    """The changes of smooth values, in the place of those, and something for the others."""
    of = dict(zip(smooth(values), changes, strict=True))
    return [of[k] if k in of else rest(value) for k, value in enumerate(values)]


_CALLS = {
    "checkpoint": _checkpointed,
    "custom_jvp_call": _with_jvp,
    "custom_vjp_call": _with_vjp,
    "remat": _checkpointed,
    "remat2": _checkpointed,
}
