"""Branch and bound in one dimension, for many groups at once."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


__all__ = ["search"]

_MOST_POINTS = {"float32": 64, "float64": 128}
_TOLERANCE = {"float32": 1e-6, "float64": 1e-9}
"""Largest certified gap, as a share of the least objective."""

_LEAST_SHARE = 0.1
"""Least share of an interval that a split leaves on either side."""


class _Interval(NamedTuple):
    """An interval between two points at which the objective is known, per group.

    Attributes:
      end: the point at its upper end.
      start: the index of the interval whose ``end`` is the point at its lower end.
      bound: a lower bound of the objective inside; infinite for an empty slot.
      split: the point at which to split it.
    """

    end: Any
    start: Int[Array, "..."]
    bound: Float[Array, "..."]
    split: Float[Array, "..."]


def search(
    at: Callable[[Array], Any],
    bounded: Callable[[Any, Any], tuple[Array, Array]],
    zero: Any,
    top: Float[Array, "*groups"],
) -> tuple[Array, Array, Array]:
    """Minimises a function on the interval from 0 to ``top``, for every group.

    Repeatedly it splits the interval of the least lower bound, until no interval can hold a value
    that is better than the best one found, but for a tolerance.

    Args:
      at: evaluates the objective at t, of the shape of ``top``: returns a point, a named tuple of
        floats with the fields ``t`` and ``total``, the objective.
      bounded: from two points, a lower bound of the objective between them, and where to split the
        interval; a split too close to an end is moved.
      zero: the point at 0.
      top: the end of the interval, positive.

    Returns:
      The best point, its objective, and the certified gap: the share of that objective by which the
      true minimum can be less.
    """
    tolerance, most = _TOLERANCE[top.dtype.name], _MOST_POINTS[top.dtype.name]
    between = functools.partial(_between, bounded)

    def uncertain(carry):
        count, best, intervals = carry
        return (count < most) & jnp.any(_gap(best, intervals) > tolerance * best.total)

    def split(carry):
        count, best, intervals = carry
        index = jnp.argmin(intervals.bound, axis=0)
        parent = _take(intervals, index)
        low, middle = _take(intervals.end, parent.start), at(parent.split)
        # The upper half takes the parent's slot, since other intervals start at its end.
        upper = between(middle, parent.end, jnp.full_like(index, 0) + count)
        intervals = _put(intervals, index, upper)
        intervals = _put(intervals, count, between(low, middle, parent.start))
        return count + 1, _better(best, middle), intervals

    # Slot 0 is the point zero, an interval that ends there; slot 1 is all of the interval.
    last, none = at(top), jnp.full_like(top, 0, int)
    empty = _Interval(zero, none, jnp.full_like(top, jnp.inf), top)
    intervals = jax.tree.map(lambda x: jnp.broadcast_to(x, (most, *x.shape)), empty)
    intervals = _put(intervals, 1, between(zero, last, none))
    carry = (jnp.asarray(2), _better(zero, last), intervals)
    _, best, intervals = jax.lax.while_loop(uncertain, split, carry)
    share = _gap(best, intervals) / jnp.where(best.total > 0, best.total, 1.0)
    return best.t, best.total, share


def _between(bounded: Callable, low: Any, high: Any, start: Array) -> _Interval:
    """Bounds the objective on the interval between two points, the first of index ``start``."""
    bound, split = bounded(low, high)
    bound = jnp.minimum(bound, jnp.minimum(low.total, high.total))
    margin = _LEAST_SHARE * (high.t - low.t)
    return _Interval(high, start, bound, jnp.clip(split, low.t + margin, high.t - margin))


def _gap(best: Any, intervals: _Interval) -> Array:
    """Bounds the difference of the best objective found and the true minimum."""
    return jnp.maximum(best.total - jnp.min(intervals.bound, axis=0), 0.0)


def _take(tree: Any, index: Array) -> Any:
    """Takes from each group the slot at an index of its own."""
    return jax.tree.map(lambda x: jnp.take_along_axis(x, index[None], axis=0)[0], tree)


def _put(tree: Any, index: Array | int, new: Any) -> Any:
    """Replaces the slot at an index, one for all groups or one for each."""

    def put(x, y):
        position = jnp.arange(len(x)).reshape(-1, *[1] * y.ndim)
        return jnp.where(position == jnp.broadcast_to(index, y.shape)[None], y[None], x)

    return jax.tree.map(put, tree, new)


def _better(one: Any, other: Any) -> Any:
    """Chooses for each group the point of lesser objective."""
    less = other.total < one.total
    return jax.tree.map(lambda x, y: jnp.where(less, y, x), one, other)
