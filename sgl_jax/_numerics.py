"""Numerical pieces that more than one operator needs."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array


__all__ = ["implicit", "working_dtype"]


def working_dtype(*arrays: Array) -> jnp.dtype:
    """The dtype arithmetic runs in: float64 if an array has it, else float32."""
    wide = any(array.dtype == jnp.float64 for array in arrays)
    return jnp.dtype(jnp.float64 if wide else jnp.float32)


def implicit(residual: Callable[..., Array]) -> Callable[[Callable], Callable]:
    """Differentiates ``z = solve(*args)`` through ``residual(z, *args) = 0`` instead of its steps.

    Where the root is double, no derivative exists and zero, the dead side's, is returned.
    """

    def decorate(solve):
        solve = jax.custom_jvp(solve)

        @solve.defjvp
        def jvp(args, tangents):
            z = solve(*args)
            _, slope = jax.jvp(lambda z: residual(z, *args), (z,), (jnp.ones_like(z),))
            _, drift = jax.jvp(lambda *args: residual(z, *args), args, tangents)
            simple = slope > 0
            return z, jnp.where(simple, -drift / jnp.where(simple, slope, 1.0), 0.0)

        return solve

    return decorate
