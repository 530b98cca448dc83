"""Whether two networks give the same answers."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sgl_jax._typing import Params


__all__ = ["check_equal"]

_TOLERANCES = {"float64": 1e-12, "float32": 1e-5}


def check_equal(
    full: Callable[..., Any],
    full_params: Params,
    narrow: Callable[..., Any],
    narrow_params: Params,
    inputs: Sequence[Any],
    tolerance: float | None = None,
) -> tuple[float, float]:
    """Compares outputs on some inputs and on random ones of the same shapes.

    Returns:
      The largest difference, and the largest output of the full network in magnitude.

    Raises:
      ValueError: the difference is over the tolerance.
    """
    full, narrow = jax.jit(full), jax.jit(narrow)
    error = scale = 0.0
    allowed = 0.0
    for arguments in (inputs, _random(inputs)):
        pairs = zip(
            jax.tree.leaves(full(full_params, *arguments)),
            jax.tree.leaves(narrow(narrow_params, *arguments)),
            strict=True,
        )
        for expected, found in pairs:
            own = _TOLERANCES.get(str(expected.dtype), 5e-2) if tolerance is None else tolerance
            wide = [
                np.asarray(x, np.complex128 if jnp.iscomplexobj(x) else float)
                for x in (expected, found)
            ]
            error = max(error, float(np.max(np.abs(wide[0] - wide[1]), initial=0.0)))
            scale = max(scale, float(np.max(np.abs(wide[0]), initial=0.0)))
            allowed = max(allowed, own)
    if not error <= allowed * max(scale, np.finfo(np.float32).tiny):
        raise ValueError(
            f"The compacted network must give the same answers, got a difference of {error:.2e} "
            f"where outputs reach {scale:.2e} and the tolerance is {allowed:.0e} of that; pass "
            "tolerance= if that is rounding, or report this network."
        )
    return error, scale


def _random(inputs: Sequence[Any]) -> Any:
    """Inputs of the same shapes: normal numbers; integers as they are, in another order."""
    leaves, treedef = jax.tree.flatten(inputs)
    keys = jax.random.split(jax.random.key(0), max(len(leaves), 1))
    drawn = []
    for key, leaf in zip(keys, leaves, strict=False):
        leaf = jnp.asarray(leaf)
        if jnp.issubdtype(leaf.dtype, jnp.floating):
            drawn.append(jax.random.normal(key, leaf.shape, leaf.dtype))
        else:
            drawn.append(leaf)
    return jax.tree.unflatten(treedef, drawn)
