"""The least strength at which something holds, by bisection."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


__all__ = ["least_strength"]

_RANGE = 60
"""Powers of two on either side of the unit."""


def least_strength(
    holds: Callable[[Float[Array, "..."]], Bool[Array, "..."]], unit: Float[Array, "..."]
) -> Float[Array, "..."]:
    """Bisects for the least strength at which a predicate holds, which holds from there on.

    Args:
      holds: a predicate of strengths, entry by entry.
      unit: > 0, the scale of the strengths: those from ``2**-60`` to ``2**60`` of it are tried.

    Returns:
      An array like ``unit``, to a rounding error: the predicate holds there. Infinite where it
      never holds, 0 where it always does.
    """
    unit = jax.lax.stop_gradient(unit)
    least, most = (jnp.full_like(unit, 2.0**power) for power in (-_RANGE, _RANGE))

    def halve(step, ends):
        # First the two ends themselves. The predicate stands here alone, since it may be large.
        low, high = ends
        middle = jnp.where(step == 0, most, jnp.where(step == 1, least, jnp.sqrt(low * high)))
        below = holds(unit * middle)
        return jnp.where(below, low, middle), jnp.where(below, middle, high)

    # Every further step halves the logarithm of the ratio of the ends.
    steps = jnp.finfo(unit.dtype).nmant + 10
    low, high = jax.lax.fori_loop(0, steps, halve, (least * 0.5, most * 2.0))
    return jnp.where(low >= most, jnp.inf, jnp.where(high <= least, 0.0, unit * high))
