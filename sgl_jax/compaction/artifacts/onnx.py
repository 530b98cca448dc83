"""ONNX, which runs without JAX."""

import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from sgl_jax._util.files import write_whole
from sgl_jax._util.packages import name_extra
from sgl_jax._util.quiet import silence_loggers
from sgl_jax.compaction import Compacted
from sgl_jax.compaction.artifacts._function import with_any_batch
from sgl_jax.compaction.program import Equation, Program, equations, trace


__all__ = ["export_onnx", "import_onnx"]

TOLERANCE = 1e-3
"""Largest difference of outputs, relative to the largest: other libraries add in other orders."""


class _Differs(ValueError):
    """The model has other outputs."""


def import_onnx() -> None:
    """Imports the packages of this format.

    Raises:
      ImportError: one is not installed.
    """
    with name_extra("An export to ONNX needs {}", "onnx"):
        import jax2onnx  # noqa: F401
        import onnxruntime  # noqa: F401


def export_onnx(path: Path, network: Compacted) -> None:
    """Writes a network as an ONNX model with its parameters in it, and runs it to compare outputs.

    To run it again: ``onnxruntime.InferenceSession(path).run(None, {"input0": images})``; inputs
    are called ``input0``, ``input1`` and so on, outputs likewise.

    Args:
      path: of the file; one that is there is replaced.
      network: from :func:`~sgl_jax.compact`.

    Raises:
      ImportError: jax2onnx or onnxruntime is not installed.
      OSError: the file cannot be written.
      ValueError: there is an operation that ONNX, or jax2onnx, does not have, or outputs differ.
    """
    import_onnx()
    try:
        content = with_any_batch(network, functools.partial(_converted, network))
    except _Differs:
        raise
    except Exception as error:
        why = str(error).partition("\n")[0][:200]
        raise ValueError(
            f"An export to ONNX needs operations that ONNX has, got '{why}'."
        ) from error
    write_whole(path, content)


def _converted(network: Compacted, function: Callable[..., Any], shapes: Sequence[Any]) -> bytes:
    import jax2onnx
    import onnxruntime

    # Traced before, as jax2onnx exchanges functions of JAX and Flax for its own while it traces.
    program, _ = trace(function, *shapes)
    types = {str(program.avals[value].dtype) for value in program.outputs}
    with silence_loggers("onnx_ir.serde"):
        model = jax2onnx.to_onnx(
            lambda *inputs: _evaluated(program, inputs),
            shapes,
            enable_double_precision="float64" in types,
            input_names=[f"input{k}" for k in range(len(shapes))],
            output_names=[f"output{k}" for k in range(len(program.outputs))],
        )
    content = model.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are raised anyway
    _compare(onnxruntime.InferenceSession(content, options), network)
    return content


def _evaluated(program: Program, inputs: Sequence[Any]) -> list[Any]:
    env = program.constants | dict(zip(program.inputs, inputs, strict=True))
    for equation in equations(program.equations):
        arguments = [env[value] for value in equation.inputs]
        found = _RULES.get(equation.name, Equation.bind)(equation, arguments)
        env.update(zip(equation.outputs, found, strict=True))
    return [env[value] for value in program.outputs]


def _max_pool(equation: Equation, arguments: list[Any]) -> list[Any]:
    """Pools with the other axes in front, as one, since onnxruntime pools three axes at most."""
    (x,), params = arguments, dict(equation.params)
    order = sorted(range(x.ndim), key=lambda axis: params["window_dimensions"][axis] > 1)
    outer = sum(size == 1 for size in params["window_dimensions"])
    plain = all(params[name][axis] == 1 for name in _STEPS for axis in order[:outer])
    if not plain or any(params["padding"][axis] != (0, 0) for axis in order[:outer]):
        return equation.bind(arguments)
    for name in (*_STEPS, "window_dimensions"):
        params[name] = (1, *(params[name][axis] for axis in order[outer:]))
    params["padding"] = ((0, 0), *(params["padding"][axis] for axis in order[outer:]))
    front = x.transpose(order)
    shape = front.shape[:outer]
    pooled = equation.primitive.bind(
        front.reshape(math.prod(shape), *front.shape[outer:]), **params
    )
    return [pooled.reshape(*shape, *pooled.shape[1:]).transpose(np.argsort(order).tolist())]


_STEPS = ("window_strides", "base_dilation", "window_dilation")

_RULES = {"reduce_window_max": _max_pool}
"""Replacements of primitives that jax2onnx translates into operations onnxruntime cannot run."""


def _compare(session: Any, network: Compacted) -> None:
    """Raises unless the model has the outputs of the network on random inputs."""
    generator = np.random.default_rng(0)
    inputs = jax.tree.map(
        lambda x: generator.standard_normal(x.shape).astype(x.dtype), network.inputs
    )
    named = {f"input{k}": x for k, x in enumerate(jax.tree.leaves(inputs))}
    expected = jax.tree.leaves(network.apply(network.params, *inputs))
    for ours, theirs in zip(map(np.asarray, expected), session.run(None, named), strict=True):
        error, scale = np.abs(ours - theirs).max(initial=0), np.abs(ours).max(initial=0)
        if not error <= TOLERANCE * scale:
            raise _Differs(
                f"The ONNX model must give the same answers, got a difference of {error:.2e} where "
                f"outputs reach {scale:.2e}: report this network to jax2onnx."
            )
