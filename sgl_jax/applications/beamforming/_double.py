"""Double precision for the arithmetic of one call, whatever the global flag says."""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeAlias, TypeVar

import jax
import jax.numpy as jnp
import numpy as np


__all__ = ["ArrayLike", "in_double"]

P = ParamSpec("P")
R = TypeVar("R")

ArrayLike: TypeAlias = jax.Array | np.ndarray
"""An array of JAX or of NumPy."""


def in_double(function: Callable[P, R]) -> Callable[P, R]:
    """Runs a function in float64 and complex128, in which real factors multiply complex numbers.

    The flag ``jax_enable_x64`` is that of the caller again when the function returns; the arrays
    that it returns keep their precision. Calls that JAX compiles or differentiates are finished
    under the flag of the caller, so they are refused where that is off.
    """

    @functools.wraps(function)
    def wrapper(*args: P.args, **named: P.kwargs) -> R:
        if not jax.config.read("jax_enable_x64") and _is_staged((args, named)):
            raise ValueError(
                "Beamforming needs 64-bit types inside jax.jit, jax.grad and the like, got the "
                "flag jax_enable_x64 off: call the outer function under jax.enable_x64(True)."
            )
        with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
            return function(*args, **named)

    return wrapper


def _is_staged(tree: Any) -> bool:
    """True in a function that JAX compiles or differentiates; under ``vmap`` numbers are there."""
    leaves: list[Any] = [jnp.zeros(()), *jax.tree.leaves(tree)]
    for leaf in leaves:
        while type(leaf).__name__ == "BatchTracer":  # which JAX does not export
            leaf = leaf.val
        if isinstance(leaf, jax.core.Tracer):
            return True
    return False
