"""Compares the answers of two networks."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sgl_jax._util.typing import Params


__all__ = ["UnequalError", "check_equal", "full_precision"]

_TOLERANCES = {"float64": 1e-12, "float32": 1e-5}


class UnequalError(ValueError):
    """Two networks give different answers.

    Attributes:
      error: the difference.
      scale: the largest entry, in magnitude, of the output that differs.
    """

    def __init__(self, error: float, scale: float, tolerance: float) -> None:
        super().__init__(
            f"The compacted network must give the same answers, got a difference of {error:.2e} "
            f"where outputs reach {scale:.2e} and the tolerance is {tolerance:.0e} of that; pass "
            "tolerance= if that is rounding, or report this network."
        )
        self.error, self.scale = error, scale


def full_precision() -> contextlib.AbstractContextManager[Any]:
    """Makes products as exact as their dtypes, which on a CPU they are."""
    # Another setting, even of the same effect, would keep compiled programs from being shared.
    on_cpu = jax.default_backend() == "cpu"
    return contextlib.nullcontext() if on_cpu else jax.default_matmul_precision("highest")


def check_equal(
    full: Callable[..., Any],
    full_params: Params,
    narrow: Callable[..., Any],
    narrow_params: Params,
    inputs: Sequence[Any],
    tolerance: float | None = None,
) -> tuple[float, float]:
    """Compares outputs on some inputs and on random ones of the same shapes.

    Every output may differ by the tolerance times its own largest entry; integers may not differ.
    Entries that are not finite must be the same in both.

    Returns:
      The largest difference, and the largest output of the full network in magnitude.

    Raises:
      UnequalError: a difference is over the tolerance.
    """
    full, narrow = jax.jit(full), jax.jit(narrow)
    error = scale = 0.0
    for arguments in (inputs, _random(inputs)):
        pairs = zip(
            jax.tree.leaves(full(full_params, *arguments)),
            jax.tree.leaves(narrow(narrow_params, *arguments)),
            strict=True,
        )
        for expected, found in pairs:
            own = _allowed(expected.dtype) if tolerance is None else tolerance
            far, size = _compared(expected, found)
            if not far <= own * size:
                raise UnequalError(far, size, own)
            error, scale = max(error, far), max(scale, size)
    return error, scale


def _allowed(dtype: Any) -> float:
    return _TOLERANCES.get(str(dtype), 5e-2 if jnp.issubdtype(dtype, jnp.inexact) else 0.0)


def _compared(expected: Any, found: Any) -> tuple[float, float]:
    """The largest difference, infinite where one alone is not finite, and the largest entry."""
    wide = np.complex128 if jnp.iscomplexobj(expected) else float
    one, other = np.asarray(expected, wide), np.asarray(found, wide)
    finite = np.isfinite(one)
    with np.errstate(invalid="ignore"):
        apart = np.where(finite, np.abs(one - other), np.inf)
    apart[np.isnan(one) & np.isnan(other) | (one == other)] = 0.0
    apart[np.isnan(apart)] = np.inf
    largest = np.max(np.abs(one), where=finite, initial=0.0)
    return float(np.max(apart, initial=0.0)), float(largest)


def _random(inputs: Sequence[Any]) -> Any:
    """Draws normal inputs of the same shapes; integers and Python's numbers stay as they are."""
    leaves, treedef = jax.tree.flatten(inputs)
    keys = jax.random.split(jax.random.key(0), max(len(leaves), 1))
    drawn = []
    for key, leaf in zip(keys, leaves, strict=False):
        dtype = getattr(leaf, "dtype", np.dtype(int))
        if jnp.issubdtype(dtype, jnp.floating):
            leaf = jax.random.normal(key, leaf.shape, dtype)
        drawn.append(leaf)
    return jax.tree.unflatten(treedef, drawn)
