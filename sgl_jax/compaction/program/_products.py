"""Counts the operations that a traced function takes.

FLOPs are twice the multiply-adds of convolutions and matrix products; biases, activations, pooling
and normalisation count nothing. Padding counts as if it were multiplied.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Axes, Params, Path
from sgl_jax.compaction.program._program import Equation, Program, equations, trace


__all__ = ["Product", "products", "products_of"]


class Product(NamedTuple):
    """A convolution or a matrix product in a traced function.

    Attributes:
      primitive: ``"conv_general_dilated"`` or ``"dot_general"``.
      flops: twice its multiply-adds.
      kernel: the parameter it multiplies with, ``None`` if it is no parameter as it stands.
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
      ValueError: a loop or a branch.
    """
    program, _ = trace(apply, params, *inputs)
    return products_of(program, list(flatten_by_path(params)[0]))


def products_of(program: Program, paths: Sequence[Path]) -> list[Product]:
    """The convolutions and matrix products of a program whose first arguments are parameters.

    Args:
      program: the function.
      paths: names of those arguments, in their order.

    Raises:
      ValueError: a loop or a branch.
    """
    kernels = dict(zip(program.inputs, paths, strict=False))
    found = []
    for equation in equations(program.equations):
        if equation.loops:
            raise ValueError(
                f"Operations are counted in functions without loops and branches, got "
                f"{equation.name}; count its body by itself."
            )
        if equation.name in _COUNTS:
            count, axes_of = _COUNTS[equation.name]
            operand = next((k for k, v in enumerate(equation.inputs) if v in kernels), None)
            kernel = None if operand is None else kernels[equation.inputs[operand]]
            axes = ((), ()) if operand is None else axes_of(program, equation, operand)
            found.append(Product(equation.name, 2 * count(program, equation), kernel, *axes))
    return found


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
