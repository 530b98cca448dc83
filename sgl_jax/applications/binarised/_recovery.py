"""Strengths up to which the support of the true filter is recovered, by theory."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sgl_jax.applications.binarised._fixed_points import few_active, make_task
from sgl_jax.applications.binarised._problems import Population


__all__ = ["Recovery", "recovery"]

_STEPS = 45


class Recovery(NamedTuple):
    """Strengths up to which the copy has the support of the true filter.

    Attributes:
      certain: below it every limit has that support, whatever the start.
      possible: below it, and not above, there is a limit with that support.
    """

    certain: float
    possible: float


def recovery(problem: Population, penalty: Any, *, beta: float) -> Recovery:
    r"""Finds the strengths up to which the support of the true filter is recovered.

    With the smallest entry :math:`m` of the true filter at norm 1, every entry is active where the
    threshold of the prox at step :math:`1/\beta` is below :math:`c m / (c + \beta)`: for l1 at
    :math:`\lambda < m c \beta / (c + \beta)`. A limit with the whole support there is for l1 if
    and only if :math:`c m > \lambda (1 + |c \hat w^* - \lambda \operatorname{sgn} w^*|_2 / \beta)`,
    and for l0 where the threshold is below :math:`m`.

    Args:
      problem: the population, with one true filter, and with the proxy ``"relu"`` or
        ``"identity"``.
      penalty: ``sgl.L1``, ``sgl.L0`` or ``sgl.TransformedL1``; its strength does not matter.
      beta: coupling, > 0.

    Raises:
      ValueError: another penalty or proxy, ``beta`` not positive, or lanes.

    Example:
      >>> import jax.numpy as jnp, sgl_jax as sgl
      >>> problem = Population(jnp.array([0.0, 0.8, 0.6, 0.0]), k=20)
      >>> found = recovery(problem, sgl.L0(1.0), beta=4.0)
      >>> round(found.certain, 3), round(found.possible, 3)
      (0.18, 0.72)
    """
    task = make_task(problem, penalty, beta)
    if not np.isfinite(task.noise):
        raise ValueError(
            f"recovery needs the proxy 'relu' or 'identity', got {problem.proxy!r}; use limits."
        )
    smallest = np.min(np.abs(task.w_star[task.entries]))
    certain = float(beta * task.rule.strength(task.c * smallest / (task.c + beta)))
    whole = np.ones((1, len(task.entries)), bool)

    def recovered(lam: float, middle_too: bool) -> bool:
        rule = dataclasses.replace(task.rule, s=lam / beta)
        found = few_active(dataclasses.replace(task, rule=rule), whole, middle_too)
        return any(limit.support.sum() == whole.size for limit in found)

    possible = _last(lambda lam: recovered(lam, False), certain * (1.0 - 1e-12))
    if task.rule.bistable and recovered(possible * (1.0 + 1e-6), True):
        possible = _last(lambda lam: recovered(lam, True), possible * (1.0 + 1e-6))
    return Recovery(certain, possible)


def _last(holds: Callable[[float], bool], low: float) -> float:
    """Finds the end of the numbers from ``low`` on of which something holds."""
    high = 2.0 * low
    while holds(high):
        low, high = high, 2.0 * high
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
