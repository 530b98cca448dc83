"""The limits by theory: every stable fixed point of the iteration, without running it."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool

from sgl_jax.applications.binarised._fixed_points import (
    Task,
    few_active,
    make_task,
    none_active,
    one_active,
)
from sgl_jax.applications.binarised._limit import Limit
from sgl_jax.applications.binarised._problems import Population
from sgl_jax.applications.binarised._rules import Soft


__all__ = ["limit", "limits"]

MOST = 12
"""The most entries whose activity is tried both ways."""


def limits(
    problem: Population,
    penalty: Any,
    *,
    beta: float,
    support: Bool[np.ndarray, "d"] | Sequence[bool] | None = None,
) -> list[Limit]:
    r"""Finds every stable limit of the iteration, the one of lowest objective first.

    .. math:: \kappa w = c \, \hat w^* + \beta u(w), \qquad |w| = 1

    Given :math:`\kappa` each entry solves an equation of its own, so that a limit is one unknown.
    For l1 and :math:`\lambda < c \max |\hat w^*|` one limit has :math:`\kappa > \beta`, and below
    :math:`c` times the second largest entry it is the only one. For l0 and transformed l1 every
    set of entries that may be active or not is tried. No start, no step size and no iterate enters.
    A limit depends on the start where there are several.

    For l0 and :math:`\beta > c` several entries outside the true filter may be active together,
    with :math:`\kappa = \beta` and in any direction among themselves. No two of these limits are
    apart, and they are not listed.

    Args:
      problem: the population, with one true filter.
      penalty: ``sgl.L1``, ``sgl.L0`` or ``sgl.TransformedL1``.
      beta: coupling, > 0.
      support: True for the entries that the copy keeps, to find the limits with that support only;
        by default all supports are tried.

    Returns:
      The limits, without repetition; of limits that only differ in which entry outside the true
      filter is active, one for each entry and sign.

    Raises:
      ValueError: another penalty, ``beta`` not positive, lanes, a support of another shape, or,
        where none is given, more than 12 entries that may be active or not.

    Example:
      >>> import jax.numpy as jnp, sgl_jax as sgl
      >>> problem = Population(jnp.array([0.0, 0.8, 0.6, 0.0]), k=20)
      >>> [found.support.nonzero()[0].tolist() for found in limits(problem, sgl.L0(0.5), beta=4.0)]
      [[1], [1, 2], [2]]
    """
    task = make_task(problem, penalty, beta)
    kept = None if support is None else np.asarray(support, bool)
    if kept is not None and kept.shape != task.w_star.shape:
        raise ValueError(f"limits needs a support of shape {task.w_star.shape}, got {kept.shape}.")
    if kept is None or isinstance(task.rule, Soft):
        found = [*few_active(task, _patterns(task)), *one_active(task), *none_active(task)]
        found = [limit for limit in found if kept is None or np.array_equal(limit.support, kept)]
    else:
        found = [*_with_support(task, kept)]
    return sorted(_distinct(found), key=lambda limit: limit.objective)


def limit(
    problem: Population,
    penalty: Any,
    *,
    beta: float,
    support: Bool[np.ndarray, "d"] | Sequence[bool] | None = None,
) -> Limit:
    r"""Finds the limit of lowest objective, of all or of those with a given support.

    Args:
      problem: the population, with one true filter.
      penalty: ``sgl.L1``, ``sgl.L0`` or ``sgl.TransformedL1``.
      beta: coupling, > 0.
      support: True for the entries that the copy keeps; by default all supports are tried.

    Raises:
      ValueError: there is no such stable limit, or as in :func:`limits`.

    Example:
      >>> import jax.numpy as jnp, sgl_jax as sgl
      >>> problem = Population(jnp.array([0.0, 0.8, 0.6, 0.0]), k=4)
      >>> found = limit(problem, sgl.L1(0.2), beta=2.0)
      >>> found.w.round(3).tolist(), round(found.theta, 4)
      ([0.0, 0.844, 0.537, 0.0], 0.0771)
    """
    found = limits(problem, penalty, beta=beta, support=support)
    if not found:
        given = "" if support is None else " and this support"
        raise ValueError(
            f"limit needs strengths that have a stable limit, got none of {penalty} with "
            f"beta={beta}{given}; see limits."
        )
    return found[0]


def _with_support(task: Task, kept: Bool[np.ndarray, "d"]) -> Iterator[Limit]:
    """Finds the limits with a support, of a penalty whose active entries are chosen."""
    if not kept.any():
        yield from none_active(task)
    if kept.any() and not kept[task.w_star == 0].any():
        yield from few_active(task, kept[task.entries][None, :])
    if kept.sum() == 1:
        yield from (
            limit for limit in one_active(task, np.nonzero(kept)[0]) if limit.support[kept].all()
        )


def _patterns(task: Task) -> Bool[np.ndarray, "p q"]:
    """Lists the sets of entries that may be active; those beyond every threshold are in all."""
    b = task.c * np.abs(task.w_star[task.entries])
    free = np.nonzero(b <= (task.rule.beta + task.c) * task.rule.threshold)[0]
    if isinstance(task.rule, Soft):
        return np.ones((1, len(b)), bool)
    if len(free) > MOST:
        raise ValueError(
            f"limits needs at most {MOST} entries that may be active or not, got {len(free)}; give "
            "it a support."
        )
    on = np.ones((2 ** len(free), len(b)), bool)
    on[:, free] = list(itertools.product((False, True), repeat=len(free)))
    return on


def _distinct(found: Sequence[Limit]) -> list[Limit]:
    """Leaves out limits that are there already."""
    kept: list[Limit] = []
    for each in found:
        if all(np.max(np.abs(each.w - other.w)) > 1e-8 for other in kept):
            kept.append(each)
    return kept
