"""Reads a network from its function, its parameters and example inputs."""

from collections.abc import Callable
from typing import Any

from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Params, Path
from sgl_jax.compaction.axes import Structure
from sgl_jax.compaction.channels._reading import read_program
from sgl_jax.compaction.channels._unread import tie_unread
from sgl_jax.compaction.program import trace


__all__ = ["read_network"]


def read_network(
    apply: Callable[..., Any], params: Params, *inputs: Any
) -> tuple[Structure, dict[Path, int]]:
    """Traces a network and ties the axes of its parameters, all of which may be sliced.

    Returns:
      The program, read, and the number that each parameter has in it, by path.
    """
    leaves, _ = flatten_by_path(params)
    program, _ = trace(apply, params, *inputs)
    values = dict(zip(leaves, program.inputs, strict=False))
    structure = read_program(program, tuple(values.values()))
    tie_unread(structure, values)
    return structure, values
