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
"""Share of the least objective to which it is certified."""

_LEAST_SHARE = 0.1
"""Of an interval, for either of the two that it is split into."""


class _Interval(NamedTuple):
    """An interval between two points, per group.

    Attributes:
      end: the point in which it ends, a named tuple.
      start: the index of the one that ends where it starts.
      bound: of the objective inside, from below; infinite for one that holds nothing.
      split: where it is to be split.
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
    """Splits the interval from 0 to ``top`` where the bound is least, until it is high enough.

    Args:
      at: what is known at t, of the shape of ``top``: a named tuple of floats with the fields
        ``t`` and ``total``, the objective there.
      bounded: from two such tuples what bounds the objective between them from below, and where
        to split the interval, if that is not too close to an end.
      zero: what is known at 0, as if from ``at``.
      top: the end of the interval, positive.

    Returns:
      The best point, its objective, and by which share of it the true least one can be less.
    """
    tolerance, most = _TOLERANCE[top.dtype.name], _MOST_POINTS[top.dtype.name]

    between = functools.partial(_between, bounded)

    def going(carry):
        count, best, met = carry
        return (count < most) & jnp.any(_gap(best, met) > tolerance * best.total)

    def step(carry):
        count, best, met = carry
        index = jnp.argmin(met.bound, axis=0)
        worst = _take(met, index)
        low, new = _take(met.end, worst.start), at(worst.split)
        met = _put(met, index, between(new, worst.end, jnp.full_like(index, 0) + count))
        met = _put(met, count, between(low, new, worst.start))
        return count + 1, _better(best, new), met

    first, none = at(top), jnp.full_like(top, 0, int)
    nothing = _Interval(zero, none, jnp.full_like(top, jnp.inf), top)
    met = jax.tree.map(lambda x: jnp.broadcast_to(x, (most, *x.shape)), nothing)
    met = _put(met, 1, between(zero, first, none))
    carry = (jnp.asarray(2), _better(zero, first), met)
    _, best, met = jax.lax.while_loop(going, step, carry)
    return best.t, best.total, _gap(best, met) / jnp.where(best.total > 0, best.total, 1.0)


def _between(bounded: Callable, low: Any, high: Any, start: Array) -> _Interval:
    """The interval between two points, of which the first has the index ``start``."""
    bound, split = bounded(low, high)
    bound = jnp.minimum(bound, jnp.minimum(low.total, high.total))
    margin = _LEAST_SHARE * (high.t - low.t)
    return _Interval(high, start, bound, jnp.clip(split, low.t + margin, high.t - margin))


def _gap(best: Any, met: _Interval) -> Array:
    """By how much the least objective can be below that of the best point."""
    return jnp.maximum(best.total - jnp.min(met.bound, axis=0), 0.0)


def _take(tree: Any, index: Array) -> Any:
    """The entries of each group at an index of its own."""
    return jax.tree.map(lambda x: jnp.take_along_axis(x, index[None], axis=0)[0], tree)


def _put(tree: Any, index: Array | int, new: Any) -> Any:
    """The tree with new entries at an index, one for all groups or each its own."""

    def put(x, y):
        position = jnp.arange(len(x)).reshape(-1, *[1] * y.ndim)
        return jnp.where(position == jnp.broadcast_to(index, y.shape)[None], y[None], x)

    return jax.tree.map(put, tree, new)


def _better(one: Any, other: Any) -> Any:
    """For each group the point whose objective is less."""
    less = other.total < one.total
    return jax.tree.map(lambda x, y: jnp.where(less, y, x), one, other)
