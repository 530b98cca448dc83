"""One walker over the primitives of a traced function, and the operations it counts.

FLOPs are twice the multiply-adds of convolutions and matrix products; biases, activations, pooling
and normalisation count nothing. Padding counts as if it were multiplied.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
from jax.extend import core

from sgl_jax._pytree import flatten_by_path
from sgl_jax._typing import Axes, Params, Path


__all__ = ["Product", "equations", "products"]


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


def equations(
    jaxpr: core.Jaxpr, origins: Mapping[core.Var, int]
) -> Iterator[tuple[core.JaxprEqn, list[int | None]]]:
    """Every equation, those of inner functions in place of their call, in order of evaluation.

    Args:
      jaxpr: what to walk over.
      origins: for some variables the number of the argument of the traced function they are.

    Yields:
      An equation, and for each of its operands the argument it is, or ``None``.

    Raises:
      ValueError: a loop or a branch, whose equations run a number of times that is not known.
    """

    known = dict(origins)
    for equation in jaxpr.eqns:
        origin = [None if isinstance(v, core.Literal) else known.get(v) for v in equation.invars]
        inner = [value for value in equation.params.values() if _is_jaxpr(value)]
        if not inner:
            yield equation, origin
            continue
        if equation.primitive.name in ("cond", "scan", "while"):
            raise ValueError(
                f"Operations are counted in functions without loops and branches, got "
                f"{equation.primitive.name}; count its body by itself."
            )
        body = inner[0].jaxpr if isinstance(inner[0], core.ClosedJaxpr) else inner[0]
        pairs = zip(body.invars, origin, strict=False)
        yield from equations(body, {var: at for var, at in pairs if at is not None})


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
    jaxpr = jax.make_jaxpr(apply)(params, *inputs).jaxpr
    paths = list(flatten_by_path(params)[0])
    found = []
    for equation, origin in equations(jaxpr, {var: at for at, var in enumerate(jaxpr.invars)}):
        name = equation.primitive.name
        if name in _COUNTS:
            kernel, axes = None, ((), ())
            for operand, at in enumerate(origin):
                if kernel is None and at is not None and at < len(paths):
                    kernel, axes = paths[at], _AXES[name](equation, operand)
            found.append(Product(name, 2 * _COUNTS[name](equation), kernel, *axes))
    return found


def _conv(equation: core.JaxprEqn) -> int:
    kernel = _shape(equation.invars[1])
    outputs = kernel[equation.params["dimension_numbers"].rhs_spec[0]]
    return math.prod(_shape(equation.outvars[0])) * math.prod(kernel) // outputs


def _conv_axes(equation: core.JaxprEqn, operand: int) -> tuple[Axes, Axes]:
    outputs, inputs = equation.params["dimension_numbers"].rhs_spec[:2]
    return ((inputs,), (outputs,)) if operand == 1 else ((), ())


def _dot(equation: core.JaxprEqn) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    left = _shape(equation.invars[0])
    return math.prod(_shape(equation.outvars[0])) * math.prod(left[axis] for axis in contracted)


def _dot_axes(equation: core.JaxprEqn, operand: int) -> tuple[Axes, Axes]:
    contracted, batch = equation.params["dimension_numbers"]
    inputs = tuple(contracted[operand])
    rest = range(len(_shape(equation.invars[operand])))
    return inputs, tuple(axis for axis in rest if axis not in (*inputs, *batch[operand]))


def _shape(atom: Any) -> tuple[int, ...]:
    return atom.aval.shape


_COUNTS = {"conv_general_dilated": _conv, "dot_general": _dot}
_AXES = {"conv_general_dilated": _conv_axes, "dot_general": _dot_axes}


def _is_jaxpr(value: Any) -> bool:
    return isinstance(value, core.Jaxpr | core.ClosedJaxpr)
