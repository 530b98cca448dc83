"""Branch and bound in one dimension, for many groups at once."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


__all__ = ["search", "take"]

_MOST_POINTS = {"float32": 64, "float64": 128}
_TOLERANCE = {"float32": 1e-6, "float64": 1e-9}
"""Share of the least objective to which it is certified."""

Points = Float[Array, "points *groups"]


def search(
    at: Callable[[Array, Array], Any], bounded: Callable[[Any], tuple[Array, Array]], top: Array
) -> tuple[Any, Array, Array]:
    """Splits the interval from 0 to ``top`` where the bound is least, until it is high enough.

    Args:
      at: what is known at t, of the shape of ``top``, and where no point is lower yet: a named
        tuple with the field ``t``.
      bounded: from such a tuple with the points on a leading axis, in ascending order of t and
        filled up with infinities, the least objective known, and lower bounds of the objective:
        entry k from point k - 1, or 0, to point k; infinite where there is none.
      top: the end of the interval, positive.

    Returns:
      The points, the least objective known, and by which share of it the true one can be less.
    """
    tolerance, most = _TOLERANCE[top.dtype.name], _MOST_POINTS[top.dtype.name]

    def gap_of(best, bounds):
        return jnp.maximum(best - jnp.min(bounds, axis=0), 0.0)

    def going(carry):
        count, _, best, bounds = carry
        return (count < most) & jnp.any(gap_of(best, bounds) > tolerance * best)

    def split(carry):
        count, points, _, bounds = carry
        worst = jnp.argmin(bounds, axis=0)
        high = take(points.t, worst)
        low = jnp.where(worst > 0, take(points.t, jnp.maximum(worst - 1, 0)), 0.0)
        points = _inserted(points, at(0.5 * (low + high), worst == 0), worst)
        return count + 1, points, *bounded(points)

    first = at(top, top > 0)
    # Filled like what it is filled with, for the sharding.
    blank = jax.tree.map(
        lambda x: jnp.broadcast_to(jnp.full_like(x, jnp.inf), (most, *x.shape)), first
    )
    points = _inserted(blank, first, jnp.zeros_like(top, int))
    _, points, best, bounds = jax.lax.while_loop(
        going, split, (jnp.asarray(1), points, *bounded(points))
    )
    return points, best, gap_of(best, bounds) / jnp.where(best > 0, best, 1.0)


def take(x: Points, index: Array) -> Array:
    """The point with an index of its own for each group."""
    return jnp.take_along_axis(x, index[None], axis=0)[0]


def _inserted(points: Any, new: Any, index: Array) -> Any:
    """The points with another one at ``index``, per group; the last one falls out."""

    def insert(x, y):
        position = jnp.arange(len(x)).reshape(-1, *[1] * y.ndim)
        later = jnp.roll(x, 1, axis=0)
        at = index[None]
        return jnp.where(position < at, x, jnp.where(position == at, y[None], later))

    return jax.tree.map(insert, points, new)
