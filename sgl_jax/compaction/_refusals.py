"""Refuses what cannot be compacted, in a sentence."""

import numbers
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
    "check_rounding",
    "checked_leaves",
    "leaves_of",
    "protect_leaves",
    "refuse_closed_over",
    "refuse_unknown",
    "unknown_operations",
]


def check_rounding(round_to: Any, inputs: Sequence[Any], timed: Sequence[Any] | None) -> None:
    """Raises ``ValueError`` unless ``round_to`` and ``timed`` fit together and the inputs."""
    fastest = isinstance(round_to, str) and round_to == "fastest"
    if not fastest and (not isinstance(round_to, numbers.Integral) or round_to < 1):
        raise ValueError(
            f'round_to needs a number of channels of at least 1 or "fastest", got {round_to!r}.'
        )
    if timed is None:
        return
    if not fastest:
        raise ValueError(
            f'timed needs round_to="fastest", got {round_to!r}: nothing else is measured.'
        )
    if jax.tree.structure(tuple(timed)) != jax.tree.structure(tuple(inputs)):
        raise ValueError(
            f"timed needs a sequence of inputs like the example inputs, {len(inputs)} of them, got "
            f"{type(timed).__name__}: pass (images,), say."
        )


def checked_leaves(params: Params, inputs: Sequence[Any]) -> dict[Path, Any]:
    """The parameters by path, after a look at them and at the inputs.

    Raises:
      ValueError: a tracer, something else than an array, or an array that is not finite.
    """
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
    """Protects the leaves whose path a regular expression finds, which must be some."""
    found = [path for path in values if pattern is not None and re.search(pattern, path)]
    if pattern is not None and not found:
        raise ValueError(
            f"protect needs the path of a leaf, got {pattern!r}, which finds none of "
            f"{', '.join(values)}."
        )
    for path in found:
        for axis in structure.axes[values[path]]:
            structure.sets.protect(axis, f"{path} is protected")


def refuse_unknown(structure: Structure, values: dict[Path, int], strict: bool) -> None:
    """Refuses tracers, and in strict mode every operation without a rule."""
    unknown = unknown_operations(structure, values)
    if strict and unknown:
        raise ValueError(
            f"compact has no rule for {unknown[0]}; without strict it keeps whole what that reads."
        )
    _refuse_tracers("arrays that the function closes over", structure.program.constants.values())


def unknown_operations(structure: Structure, values: dict[Path, int]) -> tuple[str, ...]:
    """The operations without a rule that meet axes of parameters."""
    found = []
    for equation in structure.unknown:
        axes = [axis for value in equation.inputs for axis in structure.axes[value]]
        met = [structure.sets.find(axis).tolist() for axis in axes if axis is not None]
        if leaves_of(structure, values, {root for roots in met for root in roots}):
            found.append(str(equation))
    return tuple(found)


def refuse_closed_over(structure: Structure, values: dict[Path, int], search: Search) -> None:
    """Refuses arrays that the function closes over and that would lose positions."""
    for number in structure.program.closed_over:
        for axis in structure.axes[number]:
            if search.mask(axis) is not None:
                (path, *_) = leaves_of(structure, values, set(search.roots[axis].tolist()))
                reader = structure.uses[number][0]
                raise ValueError(
                    f"compact slices only what is in params, got an array of shape "
                    f"{structure.shape(number)} that is closed over and goes with channels of "
                    f"{path!r} ({reader}): put it into params."
                )


def leaves_of(structure: Structure, values: dict[Path, int], roots: set[int]) -> list[Path]:
    """The leaves with positions in the sets of some roots."""
    return [
        path
        for path, value in values.items()
        if any(
            axis is not None and not roots.isdisjoint(structure.sets.find(axis).tolist())
            for axis in structure.axes[value]
        )
    ]
