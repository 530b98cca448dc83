"""The arguments of a run: their ranges, and which of them have lanes."""

import math
import warnings
from typing import Any

import jax
import numpy as np

from sgl_jax.applications.binarised._problem import Problem


__all__ = ["check_arguments", "lane_axes", "warn_of_long_steps"]


def _is_known(value: Any) -> bool:
    return not isinstance(value, jax.core.Tracer)


def check_arguments(problem: Problem, w: Any, penalty: Any, **numbers: Any) -> None:
    """Refuses a start, strengths and numbers that are not admissible.

    Args:
      problem: the problem.
      w: the start.
      penalty: the penalty; it checks its own parameters, but for schedules.
      **numbers: what has to be positive, by name.

    Raises:
      ValueError: one of them is out of its range, or of another shape.
    """
    if any(callable(leaf) for leaf in jax.tree.leaves(penalty)):
        raise ValueError(
            f"fit needs numbers as the parameters of {type(penalty).__name__}, got a schedule; "
            "call it once for each strength, from where the last call ended."
        )
    for name, value in numbers.items():
        if _is_known(value) and not np.all(np.asarray(value) > 0):
            raise ValueError(f"fit needs {name} > 0, got {name}={value}.")
    if w.ndim not in (1, 2) or w.shape[-1] != problem.size:
        raise ValueError(
            f"fit needs a start of shape ({problem.size},), or (lanes, {problem.size}), as the "
            f"problem has it, got {tuple(w.shape)}."
        )
    if _is_known(w) and not np.all(np.any(np.asarray(w) != 0, axis=-1)):
        raise ValueError("fit needs a start that is not zero, got zeros; draw one.")


def lane_axes(
    problem: Problem, w: Any, penalty: Any, beta: Any, step_size: Any
) -> tuple[int | None, ...]:
    """Finds the axis of lanes, 0 or ``None``, of every leaf of the arguments, in their order.

    Args:
      problem: the problem, whose ranks are known.
      w: the start.
      penalty: the penalty, whose parameters are numbers.
      beta: the coupling.
      step_size: the step size.

    Raises:
      ValueError: an array has neither its rank nor one more, or numbers of lanes do not agree.
    """
    numbers = jax.tree.leaves((penalty, beta, step_size))
    ranks = [*problem.ranks.values(), 1, *(0 for _ in numbers)]
    leaves = [*jax.tree.leaves(problem), w, *numbers]
    extra = [np.ndim(leaf) - rank for leaf, rank in zip(leaves, ranks, strict=True)]
    counts = {np.shape(leaf)[0] for leaf, more in zip(leaves, extra, strict=True) if more == 1}
    if not set(extra) <= {0, 1} or len(counts) > 1:
        shapes = ", ".join(str(np.shape(leaf)) for leaf in leaves)
        raise ValueError(
            f"fit needs arrays with one axis of lanes, of one length, in front, or with none, got "
            f"shapes {shapes}."
        )
    return tuple(0 if more else None for more in extra)


def warn_of_long_steps(constant: float, beta: Any, step_size: Any) -> None:
    """Warns of a step size for which nothing is known.

    Args:
      constant: :math:`c` of the problem.
      beta: the coupling.
      step_size: the step size.
    """
    if not (_is_known(beta) and _is_known(step_size)):
        return
    share = float(np.max(np.asarray(step_size) * (constant + np.asarray(beta))))
    if share > 1.0 + 1e-6 and math.isfinite(share):
        warnings.warn(
            f"fit has a step_size of {share:.4g} / (c + beta), with c = {constant:.4g}, above the "
            "bound 1 / (c + beta) up to which the iteration is known to descend; it may cycle.",
            stacklevel=3,
        )
