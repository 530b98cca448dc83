"""Counts the operations that a traced function takes.

FLOPs are twice the multiply-adds of convolutions and matrix products; biases, activations, pooling
and normalisation count nothing. Padding counts as if it were multiplied. What a scan computes
counts as often as it runs.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Axes, Params, Path
from sgl_jax.compaction.program._equation import Equation, Loop, equations
from sgl_jax.compaction.program._program import Program, trace


__all__ = ["Product", "products", "products_of"]


class Product(NamedTuple):
    """A convolution or a matrix product in a traced function.

    Attributes:
      primitive: ``"conv_general_dilated"`` or ``"dot_general"``.
      flops: twice its multiply-adds, in all iterations of the scans that it is in.
      kernel: the parameter it multiplies with, as it stands or slice by slice in a scan; ``None``
        if there is none.
      inputs: the axes of the kernel that read inputs; of several, every combination is an input.
      outputs: likewise the axes that make outputs.
    """

    primitive: str
    flops: int
    kernel: Path | None
    inputs: Axes
    outputs: Axes


def products(apply: Callable[..., Any], params: Params, *inputs: Any) -> list[Product]:
    """The convolutions and matrix products of ``apply(params, *inputs)``, in order.

    Nothing is computed: arrays may be ``jax.ShapeDtypeStruct``.

    Args:
      apply: any function that JAX can trace.
      params: its parameters.
      *inputs: its other arguments; a batch of one gives the FLOPs of one example.

    Raises:
      ValueError: there are some in a ``while`` loop or in a branch.
    """
    program, _ = trace(apply, params, *inputs)
    return products_of(program, list(flatten_by_path(params)[0]))


def products_of(program: Program, paths: Sequence[Path]) -> list[Product]:
    """The convolutions and matrix products of a program whose first arguments are parameters.

    Args:
      program: the function.
      paths: names of those arguments, in their order.

    Raises:
      ValueError: there are some in a ``while`` loop or in a branch.
    """
    kernels = {value: _Kernel(path) for value, path in zip(program.inputs, paths, strict=False)}
    return list(_products_in(program, program.equations, kernels, 1))


class _Kernel(NamedTuple):
    """A parameter, or a slice of one.

    Attributes:
      path: name of the parameter.
      sliced: number of its first axes that a slice lacks.
    """

    path: Path
    sliced: int = 0


def _products_in(
    program: Program, body: Iterable[Equation], kernels: dict[int, _Kernel], times: int
) -> Iterator[Product]:
    """The products of some equations that run a number of times."""
    for equation in equations(body):
        if equation.name in _COUNTS:
            yield _product(program, equation, kernels, times)
        if equation.loop is None:
            continue
        inside = kernels | _handed_on(equation.loop, kernels)
        often = times * equation.params.get("length", 1)
        for function in equation.loop.functions:
            for product in _products_in(program, function.equations, inside, often):
                if equation.name != "scan":
                    raise ValueError(
                        f"Operations are counted in functions without while loops and branches, "
                        f"got {equation.name}; count its body by itself."
                    )
                yield product


def _handed_on(loop: Loop, kernels: dict[int, _Kernel]) -> dict[int, _Kernel]:
    """The inputs of inner functions that are the same parameter, or slices of it, every time."""
    found = {}
    for target in {value for function in loop.functions for value in function.inputs}:
        links = [link for link in loop.links if link.target == target != link.source]
        sources = {(kernels.get(link.source), link.sliced) for link in links}
        kernel, sliced = sources.pop()
        if kernel is not None and not sources:
            found[target] = _Kernel(kernel.path, kernel.sliced + sliced)
    return found


def _product(
    program: Program, equation: Equation, kernels: dict[int, _Kernel], times: int
) -> Product:
    count, axes_of = _COUNTS[equation.name]
    flops = 2 * times * count(program, equation)
    for k, value in enumerate(equation.inputs):
        if value in kernels:
            path, sliced = kernels[value]
            inputs, outputs = (
                tuple(axis + sliced for axis in axes) for axes in axes_of(program, equation, k)
            )
            return Product(equation.name, flops, path, inputs, outputs)
    return Product(equation.name, flops, None, (), ())


def _conv(program: Program, equation: Equation) -> int:
    kernel = program.shape(equation.inputs[1])
    outputs = kernel[equation.params["dimension_numbers"].rhs_spec[0]]
    return math.prod(program.shape(equation.outputs[0])) * math.prod(kernel) // outputs


def _conv_axes(program: Program, equation: Equation, operand: int) -> tuple[Axes, Axes]:
    outputs, inputs = equation.params["dimension_numbers"].rhs_spec[:2]
    return ((inputs,), (outputs,)) if operand == 1 else ((), ())


def _dot(program: Program, equation: Equation) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    left = program.shape(equation.inputs[0])
    return math.prod(program.shape(equation.outputs[0])) * math.prod(left[k] for k in contracted)


def _dot_axes(program: Program, equation: Equation, operand: int) -> tuple[Axes, Axes]:
    contracted, batch = equation.params["dimension_numbers"]
    inputs = tuple(contracted[operand])
    rest = range(len(program.shape(equation.inputs[operand])))
    return inputs, tuple(axis for axis in rest if axis not in (*inputs, *batch[operand]))


_COUNTS = {"conv_general_dilated": (_conv, _conv_axes), "dot_general": (_dot, _dot_axes)}
