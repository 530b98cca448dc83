"""Double precision for the arithmetic of one call, whatever the global flag says."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeAlias, TypeVar

import jax
import numpy as np


__all__ = ["ArrayLike", "in_double"]

P = ParamSpec("P")
R = TypeVar("R")

ArrayLike: TypeAlias = jax.Array | np.ndarray
"""An array of JAX or of NumPy."""


def in_double(function: Callable[P, R]) -> Callable[P, R]:
    """Runs a function in float64 and complex128, in which real factors multiply complex numbers.

    The flag ``jax_enable_x64`` is that of the caller again when the function returns; the arrays
    that it returns keep their precision.
    """

    @functools.wraps(function)
    def wrapper(*args: P.args, **named: P.kwargs) -> R:
        with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
            return function(*args, **named)

    return wrapper
