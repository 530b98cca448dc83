"""Small linear systems, by loops that compile fast; libraries unroll theirs for many at once."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Inexact


__all__ = ["invert_lower", "solve_small"]


def solve_small(a: Inexact[Array, "... m m"], b: Inexact[Array, "... m r"]) -> Array:
    """Solves systems by Gauss and Jordan without pivots, for positive definite and M-matrices.

    Args:
      a: matrices; where they are neither, the result may be of no use.
      b: right sides.
    """
    m = a.shape[-1]
    rows = jnp.arange(m)[:, None]

    def eliminate(j, table):
        row = jax.lax.dynamic_index_in_dim(table, j, -2)
        row = row / jax.lax.dynamic_index_in_dim(row, j, -1)
        column = jax.lax.dynamic_index_in_dim(table, j, -1)
        return jnp.where(rows == j, row, table - column * row)

    table = jnp.concatenate([a, b.astype(a.dtype)], axis=-1)
    return jax.lax.fori_loop(0, m, eliminate, table)[..., m:]


def invert_lower(a: Inexact[Array, "... m m"]) -> Array:
    """Inverts lower triangular matrices.

    Args:
      a: matrices, with zeros above the diagonal.
    """
    return solve_small(a, jnp.broadcast_to(jnp.eye(a.shape[-1], dtype=a.dtype), a.shape))
