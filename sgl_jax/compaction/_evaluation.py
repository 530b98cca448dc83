"""Evaluates a program without what was removed from it."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sgl_jax.compaction._narrow_rules import NARROW
from sgl_jax.compaction._slicing import Slicing
from sgl_jax.graph import RULES, Structure, read
from sgl_jax.jaxprs import Equation, derivative


__all__ = ["Evaluation"]


class Evaluation:
    """A program, read, and what is removed from it: a function of narrow arrays."""

    def __init__(self, slicing: Slicing) -> None:
        self.slicing, self.program = slicing, slicing.structure.program
        self._constants = {n: self.slicing.take(n, x) for n, x in self.program.constants.items()}
        self._rules: dict[tuple[Equation, bool], Evaluation | None] = {}

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
        found = _bind(equation, arguments)
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

    def rule_of(self, equation: Equation, transposed: bool) -> "Evaluation | None":
        """The rule of differentiation of a call, as a program without what is removed.

        ``None`` if it does something with a narrowed axis that is not understood.
        """
        key = equation, transposed
        if key not in self._rules:
            self._rules[key] = self._read_rule(equation, transposed)
        return self._rules[key]

    def _read_rule(self, equation: Equation, transposed: bool) -> "Evaluation | None":
        avals = [self.program.avals[value] for value in equation.inputs]
        if not all(jnp.issubdtype(aval.dtype, jnp.floating) for aval in avals):
            return None
        program = derivative(equation, avals, transposed)
        structure = Structure(program, self.slicing.structure.classes)
        like = [*equation.inputs, *(equation.outputs if transposed else equation.inputs)]
        for value, same in zip(program.inputs, like, strict=True):
            structure.axes[value] = self.slicing.structure.axes[same]
        protected = set(structure.classes.protected)
        read(structure)
        slicing = Slicing(structure, self.slicing.removed)
        new = [atom for atom in structure.classes.protected if atom not in protected]
        gone = self.slicing.gone
        same = np.array_equal(slicing.gone[: len(gone)], gone)
        return Evaluation(slicing) if same and not slicing.gone[new].any() else None


def _bind(equation: Equation, arguments: list[Any]) -> list[Any]:
    params = equation.primitive.get_bind_params(equation.params)
    with equation.original.ctx.manager:
        found = equation.primitive.bind(*arguments, **params)
    return list(found) if equation.primitive.multiple_results else [found]


def _checkpointed(evaluation: Evaluation, equation: Equation, body: Callable) -> Callable:
    params = equation.params
    return jax.checkpoint(body, prevent_cse=params["prevent_cse"], policy=params["policy"])


def _with_jvp(evaluation: Evaluation, equation: Equation, body: Callable) -> Callable:
    function = jax.custom_jvp(body)

    @function.defjvp
    def rule(primals, tangents):
        own = evaluation.rule_of(equation, transposed=False)
        if own is None:
            return jax.jvp(body, primals, tangents)
        found = own([*primals, *tangents])
        return found[: len(found) // 2], found[len(found) // 2 :]

    return function


def _with_vjp(evaluation: Evaluation, equation: Equation, body: Callable) -> Callable:
    function = jax.custom_vjp(body)

    def backward(primals, cotangents):
        own = evaluation.rule_of(equation, transposed=True)
        if own is None:
            return jax.vjp(body, *primals)[1](cotangents)
        return tuple(own([*primals, *cotangents]))

    function.defvjp(lambda *primals: (body(*primals), primals), backward)
    return function


_CALLS = {
    "checkpoint": _checkpointed,
    "custom_jvp_call": _with_jvp,
    "custom_vjp_call": _with_vjp,
    "remat2": _checkpointed,
}
