"""Numerical functions that several operators share."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sgl_jax._util.typing import ArrayLike


__all__ = [
    "flushed",
    "implicit",
    "in_working_precision",
    "magnitude",
    "odd",
    "power_of_two",
    "ratio",
    "require_real",
    "with_slope",
    "working_dtype",
]


def working_dtype(*arrays: Array) -> jnp.dtype:
    """Returns the dtype of the arithmetic: float64 if an array has it, else float32.

    Raises:
      ValueError: an array is complex.
    """
    require_real(*arrays)
    wide = any(array.dtype == jnp.float64 for array in arrays)
    return jnp.dtype(jnp.float64 if wide else jnp.float32)


def require_real(*arrays: Array) -> None:
    """Refuses complex arrays, whose magnitude is the norm of two real numbers."""
    for array in arrays:
        if jnp.issubdtype(array.dtype, jnp.complexfloating):
            raise ValueError(
                f"A penalty needs real arrays, got {array.dtype}: keep real and imaginary parts "
                "along an axis of their own, which a group spans."
            )


def flushed(x: Array) -> Array:
    """Replaces magnitudes next to the smallest normal number of the working dtype by zero.

    Processors that flush subnormal numbers to zero flush differences, too: 1.2e-38 would be zero by
    itself, and not as 1.4e-38 plus a change.
    """
    tiny = 2.0 * float(jnp.finfo(working_dtype(x)).tiny)
    return jnp.where(jnp.abs(x) < tiny, 0.0, x).astype(x.dtype)


def in_working_precision(operator: Callable[..., Array]) -> Callable[..., Array]:
    """Casts all arguments to the working dtype of the first, and the result back."""

    @functools.wraps(operator)
    def wrapper(w, *strengths, **named):
        w = jnp.asarray(w)
        dtype = working_dtype(w)
        strengths = [jnp.asarray(strength, dtype) for strength in strengths]
        named = {name: jnp.asarray(strength, dtype) for name, strength in named.items()}
        return operator(w.astype(dtype), *strengths, **named).astype(w.dtype)

    return wrapper


def odd(w: Array, threshold: ArrayLike, magnitude: Callable[[Array], Array]) -> Array:
    """Returns zero up to ``threshold``, ``sign(w) * magnitude(|w|)`` beyond it.

    At ``w = 0`` the sign is +1, so that an operator without strength has derivative one there.
    """
    sign = jnp.where(w < 0, -1.0, 1.0).astype(w.dtype)
    t = jnp.abs(w)
    dead = (t <= threshold) & (threshold > 0)
    return jnp.where(dead, 0.0, sign * magnitude(t))


def magnitude(w: Array) -> Array:
    """Returns ``|w|`` with the subgradient zero at zero; that of ``jnp.abs`` is one."""
    return jnp.where(w == 0, 0.0, jnp.abs(w))


def power_of_two(x: Array) -> Array:
    """Returns the greatest power of two up to ``x``; 1 if ``x`` is not positive or not finite.

    Dividing by it is exact, and so is multiplying by its inverse.
    """
    ordinary = (x > 0) & (x < jnp.inf)
    _, exponent = jnp.frexp(jnp.where(ordinary, x, 1.0))
    most = jnp.finfo(x.dtype).maxexp - 2
    return jnp.ldexp(jnp.ones_like(x), jnp.clip(exponent - 1, -most, most))


@jax.custom_jvp
def ratio(numerator: Array, denominator: Array) -> Array:
    """Divides so that the derivative does not square the denominator, which may be tiny."""
    return numerator / denominator


@ratio.defjvp
def _ratio_jvp(primals, tangents):
    quotient = ratio(*primals)
    return quotient, (tangents[0] - quotient * tangents[1]) / primals[1]


def with_slope(function: Callable[[Array], Array], t: Array) -> tuple[Array, Array]:
    """Evaluates a function of each entry by itself, and its derivative."""
    return jax.jvp(function, (t,), (jnp.ones_like(t),))


def implicit(residual: Callable[..., Array]) -> Callable[[Callable], Callable]:
    """Differentiates ``z = solve(*args)`` through ``residual(z, *args) = 0`` instead of its steps.

    At a double root, which has no derivative, it is zero, as on the zero side of a prox.
    """

    def decorate(solve):
        solve = jax.custom_jvp(solve)

        @solve.defjvp
        def jvp(args, tangents):
            z = solve(*args)
            _, slope = with_slope(lambda z: residual(z, *args), z)
            _, drift = jax.jvp(lambda *args: residual(z, *args), args, tangents)
            simple = slope > 0
            return z, jnp.where(simple, -drift / jnp.where(simple, slope, 1.0), 0.0)

        return solve

    return decorate
