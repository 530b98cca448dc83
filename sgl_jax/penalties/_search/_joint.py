r"""The exact prox of entries and groups together, by a certified search in one dimension.

For a group of entries w, a metric d and steps :math:`s, \mu` the prox minimises

.. math:: J(z) = s \sum_i \text{entry}(z_i) + \mu\,\phi(\|z\|) + \tfrac12 \sum_i d_i (z_i - w_i)^2.

Where :math:`\phi` is concave in :math:`t^2` it lies below its half-quadratic tangents, with
:math:`u(t) = \mu\,\phi'(t) / t`,

.. math::
  \mu\,\phi(r) = \min_{t > 0} \; \mu\,\phi(t) + \tfrac12 u(t) (r^2 - t^2), \qquad
  \min_{z \ne 0} J = \min_{t > 0} \; F(u(t)) + \mu\,\phi(t) - \tfrac12 u(t)\, t^2,

where :math:`F(u)` is the minimum of J with :math:`\frac u2 \|z\|^2` in place of
:math:`\mu\,\phi`. It is separable: one scalar prox per entry, at the step :math:`s / (d + u)`.
Every z of norm r obeys :math:`J(z) \ge F(u) + \mu\,\phi(r) - \frac12 u r^2` for any u, and F is
concave, so few points bound J between them (``_chord``). Branch and bound over t (``_branch``) ends
when the best value found is the least possible to a tolerance.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sgl_jax._util.numerics import implicit, working_dtype
from sgl_jax._util.typing import ArrayLike
from sgl_jax._util.xla import materialised
from sgl_jax.groups import GroupFamily
from sgl_jax.penalties._search._branch import search
from sgl_jax.penalties._search._chord import Point, ScaledNorm, between, most


__all__ = ["joint_prox"]


class _Problem(NamedTuple):
    """The terms of J; ``entries`` has ``None`` for a member without a penalty on its entries."""

    w: list[Array]
    d: list[Any]
    entries: list[Any]
    norm: Any
    step: Array
    group_step: Array


def joint_prox(
    parts: Sequence[Array],
    family: GroupFamily,
    entries: Sequence[Any],
    norm: Any,
    step_size: ArrayLike,
    group_step: ArrayLike,
    metrics: Sequence[Array] | None = None,
) -> tuple[list[Array], Array]:
    """Minimises J for every group of a family.

    Args:
      parts: the leaves of the members.
      family: the family of groups.
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
    d = [jnp.ones((), dtype)] * len(wide) if metrics is None else metrics
    d = [d_i.astype(dtype) for d_i in d]
    step, group_step = jnp.asarray(step_size, dtype), jnp.asarray(group_step, dtype)
    group_step = jnp.broadcast_to(group_step, family.shape)
    problem = _Problem(wide, d, list(entries), norm, step, group_step)
    t, gap = _located(jax.lax.stop_gradient(problem), family)
    r = _root_solver(family)(problem, t)
    bend = ScaledNorm(norm, group_step, 1.0).bend(jnp.where(r > 0, r, 1.0))
    found = _entries(problem, family, jnp.where(r > 0, bend, 0.0))
    # The entries of a group whose norm is not finite shrink by their own penalty only.
    live = family.spread((r > 0) | ~_finite(problem, family))
    pairs = zip(found, live, parts, strict=True)
    return [jnp.where(on, z, 0.0).astype(part.dtype) for z, on, part in pairs], gap


def _entries(problem: _Problem, family: GroupFamily, bend: Array) -> list[Array]:
    """Minimises J with ``bend / 2 |z|^2`` in place of the group penalty."""
    found = []
    for entry, w, d, u in _members(problem, family, bend):
        shrunk, step = w * (d / (d + u)), problem.step / (d + u)
        found.append(shrunk if entry is None else entry.prox_phi(shrunk, step))
    return found


def _members(problem: _Problem, family: GroupFamily, per_group: Array):
    """Zips each member's penalty, entries, metric, and an array per group spread over it."""
    return zip(problem.entries, problem.w, problem.d, family.spread(per_group), strict=True)


def _finite(problem: _Problem, family: GroupFamily) -> Array:
    return jnp.isfinite(family.max([jnp.abs(w) for w in problem.w]))


def _located(problem: _Problem, family: GroupFamily) -> tuple[Array, Array]:
    """Searches the norm of the minimiser, 0 if that is zero; returns the certified gap, too."""
    finite = family.spread(_finite(problem, family))
    w = [jnp.where(ok, w_i, 0.0) for ok, w_i in zip(finite, problem.w, strict=True)]
    problem = problem._replace(w=w)
    unit = family.scale(w)
    norm = ScaledNorm(problem.norm, problem.group_step, unit)
    none = jnp.zeros(family.shape, unit.dtype)
    zero_cost = _cost(problem, family, none, unit, [jnp.zeros_like(w_i) for w_i in w])
    top = family.norm(_entries(problem, family, none), unit)

    def at(t):
        bend = norm.bend(t)
        cost = _cost(problem, family, bend, unit, _entries(problem, family, bend))
        return Point(t, bend, cost, cost + norm.value(t) - 0.5 * bend * t**2)

    # ``full_like`` keeps the sharding.
    zero = Point(jnp.zeros_like(zero_cost), jnp.full_like(zero_cost, jnp.inf), zero_cost, zero_cost)
    bounded = functools.partial(between, norm=norm, rate=_rate(problem, family))
    t, best, gap = search(at, bounded, zero, jnp.where(top > 0, top / unit, 1.0))
    live = (top > 0) & (best < zero_cost)
    return jnp.where(live, unit * t, 0.0), jnp.where(top > 0, gap, 0.0)


def _rate(problem: _Problem, family: GroupFamily) -> Array:
    r"""Computes :math:`1 / \delta` of the chord bound, per group."""
    d = problem.d[0] if problem.d[0].ndim == 0 else family.max(problem.d)
    bounds = [0.0 if entry is None else entry.semiconcavity() for entry in problem.entries]
    kappa = functools.reduce(jnp.maximum, [jnp.asarray(bound, d.dtype) for bound in bounds])
    return jnp.where(kappa < jnp.inf, 1.0 / (d + problem.step * kappa), 0.0)


def _cost(
    problem: _Problem, family: GroupFamily, bend: Array, unit: Array, found: Sequence[Array]
) -> Array:
    """Computes F(bend) at its minimisers, in squares of the unit."""
    terms = []
    members = _members(problem, family, bend)
    for z, s, (entry, w, d, u) in zip(found, family.spread(unit), members, strict=True):
        term = 0.5 * d * ((z - w) / s) ** 2 + 0.5 * u * (z / s) ** 2
        if entry is not None:
            term = term + problem.step * (entry.phi(jnp.abs(z)) / s) / s
        terms.append(materialised(term))
    return jnp.minimum(family.sum(terms), most(unit))


def _root_solver(family: GroupFamily) -> Callable[[_Problem, Array], Array]:
    """Makes the function that polishes the norm of the minimiser, and has its derivative."""

    def after(t, problem):
        # A norm of zero is a fixed point.
        norm = ScaledNorm(problem.norm, problem.group_step, 1.0)
        bend = norm.bend(jnp.where(t > 0, t, 1.0))
        size = family.norm(_entries(problem, family, bend), family.scale(problem.w))
        return jnp.where(t > 0, size, 0.0)

    def solve(problem, t):
        start = jnp.where(t > 0, t, 1.0)
        for _ in range(2 if t.dtype == jnp.float64 else 1):
            # The minimiser is a fixed point that attracts. Aitken's extrapolation of two steps is
            # taken if it stays close.
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
