r"""Stable fixed points of the iteration, by their patterns of active entries, in NumPy.

Across the filter a limit is stable only if at most one entry has :math:`\kappa < \beta u'`. So
there are three kinds: entries of the true filter on their largest roots, active or not; the same
with one of them on its middle root (transformed l1); and one active entry alone, with any kappa.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgl_jax.applications.binarised._gamma import GAMMAS, NOISES, Angles
from sgl_jax.applications.binarised._limit import Limit
from sgl_jax.applications.binarised._problems import Population
from sgl_jax.applications.binarised._roots import (
    Patterns,
    magnitudes,
    solve,
    solve_middle,
    solve_one_active,
)
from sgl_jax.applications.binarised._rules import Rule, Soft, rule_of


__all__ = ["Task", "few_active", "make_task", "none_active", "one_active"]

Values = NDArray[np.float64]

SETTLED = 2e-15
"""The change of the pull over the constant at which it is found."""


@dataclasses.dataclass(frozen=True)
class Task:
    """A problem and a penalty, in NumPy.

    Attributes:
      w_star: the true filter, of norm 1.
      rule: the penalty.
      c: the constant of the problem.
      gamma: the pull as a function of the angle.
      noise: the noise of :class:`Limit`.
    """

    w_star: Values
    rule: Rule
    c: float
    gamma: Callable[[Angles], Angles]
    noise: float

    @property
    def entries(self) -> NDArray[np.intp]:
        """Places of the entries of the true filter."""
        return np.nonzero(self.w_star)[0]


def make_task(problem: Population, penalty: Any, beta: float) -> Task:
    w_star = np.asarray(problem.w_star, np.float64)
    if w_star.ndim != 1:
        raise ValueError(
            f"The limit needs one true filter, of shape (d,), got shape {w_star.shape}; call it "
            "for each lane."
        )
    shape, scale = GAMMAS[problem.proxy], 2.0 * problem.factor * problem.k
    return Task(
        w_star / np.linalg.norm(w_star),
        rule_of(penalty, beta),
        problem.constant,
        lambda theta: scale * shape(theta),
        NOISES.get(problem.proxy, float("nan")),
    )


def few_active(task: Task, on: NDArray[np.bool_], middle_too: bool = True) -> Iterator[Limit]:
    """Finds the limits whose active entries are some of the true filter's, with kappa > beta.

    Args:
      task: the problem and the penalty.
      on: the entries of the true filter that are active, a row for each pattern to try.
      middle_too: False to leave out limits with an entry on a middle root.
    """
    on = on[on.any(axis=1)]
    yield from _solved(task, on, np.zeros_like(on))
    if task.rule.bistable and middle_too:
        for place in range(on.shape[1]):
            rows, middle = on[on[:, place]], np.zeros(on.shape[1], bool)
            middle[place] = True
            for part in range(0, len(rows), 64):
                chunk = rows[part : part + 64]
                yield from _solved(task, chunk, np.broadcast_to(middle, chunk.shape))


def _solved(task: Task, on: NDArray[np.bool_], middle: NDArray[np.bool_]) -> Iterator[Limit]:
    """Finds the limits with patterns of active entries, for a pull that depends on the angle."""
    if not len(on):
        return
    entries = task.w_star[task.entries]
    gamma = np.full(len(on), task.c)
    finder = _middle_roots if middle.any() else _largest_roots
    for _ in range(60):
        on, middle, gamma, m = finder(task, np.abs(entries), on, middle, gamma)
        b = gamma[:, None] * np.abs(entries)
        w = magnitudes(task.rule, b, Patterns(on, middle), m[:, None])
        apart = np.linalg.norm(w - np.abs(entries), axis=1)
        pull = task.gamma(2.0 * np.arcsin(np.minimum(0.5 * apart, 1.0)))
        settled = np.all(np.abs(pull - gamma) <= SETTLED * task.c)
        gamma = np.asarray(pull)
        if settled:
            break
    for row in range(len(on)):
        full = np.zeros_like(task.w_star)
        full[task.entries] = w[row] * np.sign(entries)
        yield from _checked(task, full, task.rule.beta + m[row], gamma[row], on[row])


def _largest_roots(task, w_star, on, middle, gamma):
    m = solve(task.rule, gamma[:, None] * w_star, gamma, Patterns(on, middle))
    there = np.isfinite(m)
    return on[there], middle[there], gamma[there], m[there]


def _middle_roots(task, w_star, on, middle, gamma):
    rows, m = solve_middle(task.rule, gamma[:, None] * w_star, gamma, Patterns(on, middle))
    return on[rows], middle[rows], gamma[rows], m


def none_active(task: Task) -> Iterator[Limit]:
    """Finds the limit at the true filter whose copy is zero."""
    gamma = float(task.gamma(np.zeros(())))
    yield from _checked(task, task.w_star, gamma, gamma, np.zeros(len(task.entries), bool))


def one_active(task: Task, at: NDArray[np.intp] | None = None) -> Iterator[Limit]:
    """Finds the limits with one active entry that the others do not have, with kappa <= beta.

    Args:
      task: the problem and the penalty.
      at: places of the entries to try; by default all.
    """
    at = np.arange(len(task.w_star)) if at is None else at
    inside = at[task.w_star[at] != 0].tolist() if len(task.entries) > 1 else []
    for place, sign in itertools.product(inside, (-1.0, 1.0)):
        for v, kappa, gamma in _with_one(task, place, sign):
            if kappa < task.rule.beta * (1.0 - 1e-12):
                yield from _alone(task, place, sign, v, kappa, gamma)
    outside = at[task.w_star[at] == 0].tolist()
    # All entries outside are alike.
    for v, kappa, gamma in _with_one(task, outside[0], 1.0) if len(outside) else ():
        for place, sign in itertools.product(outside, (-1.0, 1.0)):
            yield from _alone(task, place, sign, v, kappa, gamma)


def _with_one(task: Task, place: int, sign: float) -> Iterator[tuple[float, float, float]]:
    """Finds magnitude, kappa and pull of limits in which one entry alone is active."""
    entry = sign * task.w_star[place]
    share = float(np.linalg.norm(np.delete(task.w_star, place)))
    for branch in range(8):
        gamma = task.c
        for _ in range(60):
            found = solve_one_active(task.rule, gamma * entry, gamma, share)
            if branch >= len(found):
                return
            v, kappa = found[branch]
            cosine = v * entry + gamma * share**2 / kappa
            pull = float(task.gamma(np.arccos(np.clip(cosine, -1.0, 1.0))))
            settled = abs(pull - gamma) <= SETTLED * task.c
            gamma = pull
            if settled:
                break
        yield v, kappa, gamma


def _alone(task, place, sign, v, kappa, gamma) -> Iterator[Limit]:
    w = gamma * task.w_star / kappa
    w[place] = sign * v
    on = task.entries == place
    yield from _checked(task, w, kappa, gamma, on, outside=place)


def _checked(task, w, kappa, gamma, on, outside=None) -> Iterator[Limit]:
    """Makes a limit of a fixed point if its active entries are beyond the threshold."""
    size = np.abs(w)
    active = size > task.rule.threshold
    expected = np.zeros(len(w), bool)
    expected[task.entries] = on
    if outside is not None:
        expected[outside] = True
    if not isinstance(task.rule, Soft) and not np.array_equal(active, expected):
        return
    found = _limit(task, w, kappa, gamma, active)
    # A root of the equation of an entry need not be where the prox leads.
    residual = np.abs(kappa * w - gamma * task.w_star - task.rule.beta * found.u)
    if np.max(residual) <= 1e-9 * (gamma + task.rule.beta) and found.stable:
        yield found


def _limit(task: Task, w: Values, kappa: float, gamma: float, active: NDArray[np.bool_]) -> Limit:
    rule, size, u, slope = task.rule, np.abs(w), np.zeros_like(w), np.zeros_like(w)
    u[active], slope[active] = rule.shrink(size[active]), rule.slope(size[active])
    cost = rule.beta * (rule.s * np.sum(rule.cost(u[active])) + 0.5 * np.sum((size - u) ** 2))
    pulled = kappa > rule.beta * (1.0 + 1e-9) or not active.any()
    bound = rule.bound(gamma, len(task.entries), int(active.sum())) if pulled else np.inf
    return Limit(
        w=w,
        u=np.sign(w) * u,
        w_star=task.w_star,
        kappa=float(kappa),
        gamma=float(gamma),
        beta=rule.beta,
        slope=slope,
        objective=float(gamma * 0.5 * np.sum((w - task.w_star) ** 2) + cost),
        bound=float(bound),
        noise=task.noise,
    )
