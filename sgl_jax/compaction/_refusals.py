"""What cannot be compacted is refused, in a sentence."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Params, Path
from sgl_jax.compaction._search import Search
from sgl_jax.compaction.axes import Structure


__all__ = [
    "checked",
    "leaves_of",
    "protect_leaves",
    "refuse",
    "refuse_closed_over",
    "unknown_of",
]


def checked(params: Params, inputs: Sequence[Any]) -> dict[Path, Any]:
    _refuse_tracers("inputs", jax.tree.leaves(inputs))
    leaves, _ = flatten_by_path(params)
    _refuse_tracers("parameters", leaves.values())
    for path, leaf in leaves.items():
        if not hasattr(leaf, "dtype"):
            raise ValueError(f"compact needs arrays as parameters, got {leaf!r} at {path!r}.")
        if jnp.issubdtype(leaf.dtype, jnp.inexact) and not np.isfinite(np.asarray(leaf)).all():
            raise ValueError(f"compact needs finite parameters, got {path!r} with others.")
    return leaves


def _refuse_tracers(what: str, values: Iterable[Any]) -> None:
    if any(isinstance(value, jax.core.Tracer) for value in values):
        raise ValueError(
            f"compact needs the numbers of all {what}, got a tracer: call it outside of jit."
        )


def protect_leaves(structure: Structure, values: dict[Path, int], pattern: str | None) -> None:
    found = [path for path in values if pattern is not None and re.search(pattern, path)]
    if pattern is not None and not found:
        raise ValueError(
            f"protect needs the path of a leaf, got {pattern!r}, which finds none of "
            f"{', '.join(values)}."
        )
    for path in found:
        for axis in structure.axes[values[path]]:
            structure.classes.protect(axis, f"{path} is protected")


def refuse(structure: Structure, values: dict[Path, int], strict: bool) -> None:
    """Raises at loops over channels, and in strict mode at whatever is not understood."""
    unknown = unknown_of(structure, values)
    if strict and unknown:
        raise ValueError(
            f"compact has no rule for {unknown[0]}; without strict it keeps whole what that reads."
        )
    _refuse_tracers("arrays that the function closes over", structure.program.constants.values())
    reasons = structure.classes.reasons()
    for equation, axes in structure.loops:
        for axis in axes:
            free = [root for root in structure.classes.find(axis).tolist() if root not in reasons]
            for path in leaves_of(structure, values, set(free)):
                raise ValueError(
                    f"compact cannot look into {equation}, which runs over channels of {path!r}; "
                    f"keep them with protect={path!r}."
                )
            structure.protect(axis, equation)


def unknown_of(structure: Structure, values: dict[Path, int]) -> tuple[str, ...]:
    """The operations without a rule that meet axes of parameters."""
    return tuple(
        str(equation)
        for equation in structure.unknown
        if leaves_of(
            structure,
            values,
            {
                name
                for value in equation.inputs
                for axis in structure.axes[value]
                if axis is not None
                for name in structure.classes.find(axis).tolist()
            },
        )
    )


def refuse_closed_over(structure: Structure, values: dict[Path, int], search: Search) -> None:
    for number in structure.program.closed_over:
        for axis in structure.axes[number]:
            if search.keep(axis) is not None:
                (path, *_) = leaves_of(structure, values, set(search.roots[axis].tolist()))
                reader = structure.uses[number][0]
                raise ValueError(
                    f"compact slices only what is in params, got an array of shape "
                    f"{structure.shape(number)} that is closed over and goes with channels of "
                    f"{path!r} ({reader}): put it into params."
                )


def leaves_of(structure: Structure, values: dict[Path, int], classes: set[int]) -> list[Path]:
    """The leaves that have positions in some classes."""
    return [
        path
        for path, value in values.items()
        if any(
            axis is not None and not classes.isdisjoint(structure.classes.find(axis).tolist())
            for axis in structure.axes[value]
        )
    ]
