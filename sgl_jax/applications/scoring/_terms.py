r"""The convex penalty of a step: weights of the entries and of the norms of the groups.

.. math:: P(b) = \sum_i w_i |b_i| + \sum_g v_g \|b_g\|_2, \qquad w, v \in [0, \infty]
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from sgl_jax.applications.scoring._problem import Problem


__all__ = [
    "Terms",
    "find_live",
    "group_norms",
    "keep_share",
    "restrict",
    "sharpest_violation",
    "shrink",
    "soft",
    "value",
]


class Terms(NamedTuple):
    """The weights of a convex penalty; an infinite one keeps its entry or group at zero.

    Attributes:
      entry: weight of each entry.
      group: weight of each group; ``None`` without groups.
    """

    entry: Float[np.ndarray, "p"]
    group: Float[np.ndarray, "G"] | None


def soft(x: Float[np.ndarray, "p"], level: Float[np.ndarray, "p"]) -> Float[np.ndarray, "p"]:
    """Moves every entry towards zero by its level, and no further."""
    return np.copysign(np.maximum(np.abs(x) - level, 0.0), x)


def group_norms(b: Float[np.ndarray, "p"], starts: Int[np.ndarray, "G"]) -> Float[np.ndarray, "G"]:
    """Computes the Euclidean norm of each group."""
    return np.sqrt(np.add.reduceat(b * b, starts))


def keep_share(
    norms: Float[np.ndarray, "G"], level: Float[np.ndarray, "G"]
) -> Float[np.ndarray, "G"]:
    """Computes the factor by which a norm shrinks if the level is taken from it."""
    alive = norms > level
    return np.where(alive, 1.0 - np.where(alive, level, 0.0) / np.where(alive, norms, 1.0), 0.0)


def shrink(problem: Problem, terms: Terms, x: Float[np.ndarray, "p"]) -> Float[np.ndarray, "p"]:
    r"""Finds the :math:`b` that minimises :math:`\gamma \|b\|^2 + P(b) - x^\top b`."""
    b = soft(x, terms.entry)
    if terms.group is not None:
        share = keep_share(group_norms(b, problem.starts), terms.group)
        b *= np.repeat(share, problem.sizes)
    return b / (2.0 * problem.gamma)


def find_live(
    problem: Problem, terms: Terms, x: Float[np.ndarray, "p"], share: float
) -> Int[np.ndarray, "k"]:
    """Finds the entries, or all of the groups, that have coefficients by a share of the weights."""
    if terms.group is None:
        return (np.abs(x) > share * terms.entry).nonzero()[0]
    norms = group_norms(soft(x, share * terms.entry), problem.starts)
    return np.flatnonzero(np.repeat(norms > share * terms.group, problem.sizes))


def restrict(
    problem: Problem, terms: Terms, columns: Int[np.ndarray, "k"]
) -> tuple[Problem, Terms]:
    """Takes some of the columns, whole groups of them, out of a problem."""
    x, pull, entry = problem.x[:, columns], problem.pull[columns], terms.entry[columns]
    if terms.group is None:
        return problem._replace(x=x, pull=pull), Terms(entry, None)
    owners = problem.owners[columns]
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    return problem._replace(x=x, pull=pull, starts=starts), Terms(
        entry, terms.group[owners[starts]]
    )


def value(
    problem: Problem,
    terms: Terms,
    live: Int[np.ndarray, "k"],
    coefficients: Float[np.ndarray, "k"],
) -> float:
    """Computes the penalty of the nonzero entries."""
    total = terms.entry[live] @ np.abs(coefficients)
    if terms.group is not None and len(live):
        owners = problem.owners[live]
        first = np.flatnonzero(np.diff(owners, prepend=-1))
        total += terms.group[owners[first]] @ group_norms(coefficients, first)
    return float(total)


def sharpest_violation(
    problem: Problem, terms: Terms, b: Float[np.ndarray, "p"], x: Float[np.ndarray, "p"]
) -> tuple[float, Float[np.ndarray, "p"]]:
    r"""Measures how far :math:`x - 2 \gamma b` is from the subgradients of the penalty.

    Args:
      problem: the data.
      terms: the weights.
      b: the coefficients.
      x: the negative gradient of :math:`\|Y\theta - Xb\|^2 / n`.

    Returns:
      The largest distance of an entry, or of a group of zeros as a whole; and the difference at the
      nonzero entries, where the penalty is smooth.
    """
    live = b != 0.0
    ahead = x - 2.0 * problem.gamma * b
    level = np.where(live, 0.0, terms.entry)
    left = np.where(live, ahead - np.sign(b) * np.where(live, terms.entry, 0.0), soft(ahead, level))
    if terms.group is None:
        return float(np.abs(left).max(initial=0.0)), np.where(live, left, 0.0)
    norms = group_norms(b, problem.starts)
    alive = norms > 0.0
    slope = np.where(alive, np.where(alive, terms.group, 0.0) / np.where(alive, norms, 1.0), 0.0)
    left = left - np.repeat(slope, problem.sizes) * b
    dead = np.maximum(group_norms(left, problem.starts) - terms.group, 0.0)
    of_live = np.abs(left) * np.repeat(alive, problem.sizes)
    worst = max(of_live.max(initial=0.0), np.where(alive, 0.0, dead).max(initial=0.0))
    return float(worst), np.where(live, left, 0.0)
