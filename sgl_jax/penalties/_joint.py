r"""Entries and groups together: the exact prox, found by a certified search in one dimension.

Of each group with the entries w, a metric d and steps :math:`s, \mu` it minimises

.. math:: J(z) = s \sum_i \text{entry}(z_i) + \mu\,\phi(\|z\|) + \tfrac12 \sum_i d_i (z_i - w_i)^2.

Where :math:`\phi` is concave in :math:`t^2` it lies below its half-quadratic tangents, with
:math:`u(t) = \mu\,\phi'(t) / t`,

.. math::
  \mu\,\phi(r) = \min_{t > 0} \; \mu\,\phi(t) + \tfrac12 u(t) (r^2 - t^2), \qquad
  \min_{z \ne 0} J = \min_{t > 0} \; F(u(t)) + \mu\,\phi(t) - \tfrac12 u(t)\, t^2,

and :math:`F(u)`, the least of J with :math:`\frac u2 \|z\|^2` in place of :math:`\phi`, is
separable: one scalar prox per entry, at the step :math:`s / (d + u)`. As the minimum of functions
that are affine in u, F is concave, so its chord bounds it from below between two points; the other
two terms are convex in u, so their tangents do. Both together bound J between two points; splitting
where the bound is least ends when the best value found is the least possible to a tolerance.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sgl_jax._numerics import gathered, implicit, with_slope, working_dtype
from sgl_jax._typing import Step
from sgl_jax.groups import Group
from sgl_jax.penalties._branch import search, take


__all__ = ["joint_prox"]


class _Problem(NamedTuple):
    """What J is made of; ``entries`` has ``None`` for a member whose entries are free."""

    w: list[Array]
    d: list[Any]
    entries: list[Any]
    norm: Any
    step: Array
    group_step: Array


class _Point(NamedTuple):
    """What is known at a norm t; all per group, costs in one unit.

    Attributes:
      t: the norm, in the unit of length whose square is the unit of cost.
      bend: :math:`u(t)`.
      value: the group penalty at t.
      cost: :math:`F(u(t))`.
      near_zero: a lower bound of the objective of all z with norms from 0 to t, if no point is
        lower.
    """

    t: Array
    bend: Array
    value: Array
    cost: Array
    near_zero: Array

    @property
    def total(self) -> Array:
        """An upper bound of the least objective, and the objective itself where t is right."""
        total = self.cost + self.value - 0.5 * self.bend * self.t**2
        return jnp.where(jnp.isfinite(self.t), total, jnp.inf)


def joint_prox(
    parts: Sequence[Array],
    group: Group,
    entries: Sequence[Any],
    norm: Any,
    step_size: Step,
    group_step: Step,
    metrics: Sequence[Array] | None = None,
) -> tuple[list[Array], Array]:
    """Minimises J for every group of a family.

    Args:
      parts: the leaves of the members.
      group: the family.
      entries: for each member the penalty of its entries, a function of the magnitude, or ``None``.
      norm: the penalty of the norms, concave in the square of the norm.
      step_size: of the entries, at least 0, a scalar.
      group_step: of the groups, at least 0, a scalar or per group.
      metrics: :math:`d > 0`, arrays like ``parts``.

    Returns:
      Arrays like ``parts``, and per group the certified gap: the share of its objective by which
      another point could at most be better.

    Raises:
      ValueError: the penalty of the norms is not concave in the square of the norm.
    """
    if not norm.half_quadratic:
        raise ValueError(
            f"A joint prox needs a group penalty that is concave in the square of the norm, got "
            f"{type(norm).__name__}; use sgl_transform, which splits it."
        )
    dtype = working_dtype(*parts)
    wide = [part.astype(dtype) for part in parts]
    d = [1.0] * len(wide) if metrics is None else [metric.astype(dtype) for metric in metrics]
    step, group_step = jnp.asarray(step_size, dtype), jnp.asarray(group_step, dtype)
    group_step = jnp.broadcast_to(group_step, group.shape)
    problem = _Problem(wide, d, list(entries), norm, step, group_step)
    t, gap = _located(jax.lax.stop_gradient(problem), group)
    r = _root_solver(group)(problem, t)
    bend = jnp.where(r > 0, _tangent(problem, jnp.where(r > 0, r, 1.0))[0], 0.0)
    found = _entries(problem, group, bend)
    # A group that is not finite has no norm: its entries shrink alone.
    live = group.spread((r > 0) | ~_finite(problem, group))
    pairs = zip(found, live, parts, strict=True)
    return [jnp.where(on, z, 0.0).astype(part.dtype) for z, on, part in pairs], gap


def _entries(problem: _Problem, group: Group, bend: Array) -> list[Array]:
    """The minimisers of J with ``bend / 2 |z|^2`` in place of the group penalty."""
    found = []
    for entry, w, d, u in _members(problem, group, bend):
        shrunk, step = w * (d / (d + u)), problem.step / (d + u)
        found.append(shrunk if entry is None else entry.prox_phi(shrunk, step))
    return found


def _members(problem: _Problem, group: Group, per_group: Array):
    """Each member's penalty, entries and metric, and its share of what is per group."""
    return zip(problem.entries, problem.w, problem.d, group.spread(per_group), strict=True)


def _tangent(problem: _Problem, t: Array) -> tuple[Array, Array]:
    """The bend u(t), and the group penalty at t."""
    value, slope = with_slope(problem.norm.phi, t)
    most = jnp.finfo(t.dtype).max / 64
    return jnp.clip(problem.group_step * (slope / t), 0.0, most), value


def _finite(problem: _Problem, group: Group) -> Array:
    return jnp.isfinite(group.max([jnp.abs(w) for w in problem.w]))


def _located(problem: _Problem, group: Group) -> tuple[Array, Array]:
    """The norm of the minimiser to the tolerance of the search, 0 for none, and the gap."""
    finite = group.spread(_finite(problem, group))
    w = [jnp.where(ok, w_i, 0.0) for ok, w_i in zip(finite, problem.w, strict=True)]
    problem = problem._replace(w=w)
    unit = group.scale(w)
    most = jnp.finfo(unit.dtype).max / 64
    free = jnp.zeros(group.shape, unit.dtype)
    zero_cost = _cost(problem, group, free, unit, [jnp.zeros_like(w_i) for w_i in w])
    top = group.norm(_entries(problem, group, free), unit)

    def at(t, lowest):
        bend, value = _tangent(problem, unit * t)
        value = jnp.minimum(problem.group_step * (value / unit) / unit, most)
        cost = _cost(problem, group, bend, unit, _entries(problem, group, bend))
        slope = problem.group_step * problem.norm.least_slope(unit * t) / unit
        pull = jax.lax.cond(
            jnp.any(lowest),
            lambda: _pull(problem, group, unit, unit * t),
            lambda: jnp.full_like(t, jnp.inf),
        )
        rise = jnp.minimum(slope - pull, 0.0) * t
        return _Point(t, bend, value, cost, jnp.maximum(zero_cost + rise, cost))

    bounded = functools.partial(_bounded, zero_cost=zero_cost)
    points, best, gap = search(at, bounded, jnp.where(top > 0, top / unit, 1.0))
    t = take(points.t, jnp.argmin(points.total, axis=0))
    live = (top > 0) & (best < zero_cost)
    return jnp.where(live, unit * t, 0.0), jnp.where(top > 0, gap, 0.0)


def _bounded(points: _Point, zero_cost: Array) -> tuple[Array, Array]:
    """The best total, and a lower bound of the objective below and between the points.

    Entry k of the bounds is of the norms from point k - 1, or 0, to point k.
    """
    best = jnp.minimum(jnp.min(points.total, axis=0), zero_cost)
    low, high = (_Point(*(x[part] for x in points)) for part in (slice(-1), slice(1, None)))
    width = 0.5 * (high.t**2 - low.t**2)
    # The bend at which the tangents of the group penalty at both ends meet.
    bend = (high.value - low.value) / jnp.where(width > 0, width, 1.0)
    run = low.bend - high.bend
    share = jnp.where(run > 0, (bend - high.bend) / jnp.where(run > 0, run, 1.0), 0.0)
    share = jnp.clip(share, 0.0, 1.0)
    chord = high.cost + share * (low.cost - high.cost)
    between = chord + low.value - 0.5 * low.t**2 * (high.bend + share * run)
    between = jnp.minimum(between, jnp.minimum(low.total, high.total))
    between = jnp.where(jnp.isfinite(high.t), between, jnp.inf)
    below = jnp.minimum(points.near_zero[:1], zero_cost[None])
    return best, jnp.concatenate([below, between])


def _cost(
    problem: _Problem, group: Group, bend: Array, unit: Array, found: Sequence[Array]
) -> Array:
    """F(bend) at its minimisers, in squares of the unit."""
    terms = []
    members = _members(problem, group, bend)
    for z, s, (entry, w, d, u) in zip(found, group.spread(unit), members, strict=True):
        term = 0.5 * d * ((z - w) / s) ** 2 + 0.5 * u * (z / s) ** 2
        if entry is not None:
            term = term + problem.step * (entry.phi(jnp.abs(z)) / s) / s
        terms.append(gathered(term))
    return jnp.minimum(group.sum(terms), jnp.finfo(unit.dtype).max / 64)


def _pull(problem: _Problem, group: Group, unit: Array, t: Array) -> Array:
    r"""The steepest descent of J without its group penalty from 0 to norms of at most t.

    There an entry is at most :math:`b = \min(|w|, t)`, and its penalty at least its magnitude
    times :math:`\text{entry}(b) / b` if concave, times its slope at 0 if convex.
    """
    squares = []
    members = _members(problem, group, t)
    for s, (entry, w, d, most) in zip(group.spread(unit), members, strict=True):
        size = jnp.abs(w)
        push = 0.0 if entry is None else problem.step * entry.least_slope(jnp.minimum(size, most))
        squares.append(gathered(jnp.maximum((d * size - push) / s, 0.0) ** 2))
    return jnp.sqrt(group.sum(squares))


def _root_solver(group: Group) -> Callable[[_Problem, Array], Array]:
    """The norm of the minimiser from a start near it, per group, with its derivative."""

    def after(t, problem):
        # Once all entries are zero they stay so.
        bend, _ = _tangent(problem, jnp.where(t > 0, t, 1.0))
        size = group.norm(_entries(problem, group, bend), group.scale(problem.w))
        return jnp.where(t > 0, size, 0.0)

    def solve(problem, t):
        start = jnp.where(t > 0, t, 1.0)
        for _ in range(3 if t.dtype == jnp.float64 else 2):
            # The minimiser is a fixed point, which every step comes closer to; Aitken's
            # extrapolation of two steps is taken where it stays close.
            once = after(start, problem)
            twice = after(once, problem)
            bent = twice - 2.0 * once + start
            jump = (once - start) ** 2 / jnp.where(bent == 0, 1.0, bent)
            close = (bent != 0) & (jnp.abs(jump) <= 0.1 * start)
            start = jnp.where(close, start - jump, twice)
        return jnp.where(t > 0, start, 0.0)

    def residual(r, problem, t):
        return jnp.where(t > 0, r - after(jnp.where(t > 0, r, 1.0), problem), r)

    return implicit(residual)(solve)
