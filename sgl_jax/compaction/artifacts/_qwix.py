"""Networks on levels for qwix, whose kernels compute with integers of few bits."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from sgl_jax._util.levels import read_levels
from sgl_jax._util.packages import name_extra
from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Params


__all__ = ["to_qwix"]

TYPES = ("int4", "int8")
"""Types of codes, the narrowest that holds all of a leaf is taken."""


def to_qwix(params: Params) -> Params:
    """Makes the leaves on levels quantised arrays of qwix, which give the same numbers back.

    Every leaf whose codes fit 4 or 8 bits becomes a ``qwix.QArray`` of the narrower type, with one
    scale, and ``qwix.dequantize`` makes the leaf of it again, bit for bit. Other leaves stay: those
    on no levels, of wider codes, or of a type in which an interval is no number of its own, as may
    be in bfloat16.

    Args:
      params: parameters of a network.

    Returns:
      A tree like ``params``.

    Raises:
      ImportError: qwix is not installed.
    """
    with name_extra("Quantised arrays of qwix need {}", "qwix"):
        import qwix
    leaves, rebuild = flatten_by_path(params)
    return rebuild({path: _quantized(leaf, qwix.QArray) for path, leaf in leaves.items()})


def _quantized(leaf: Any, make: Any) -> Any:
    found = read_levels(leaf)
    if found is None or not leaf.ndim:
        return leaf
    kinds = [kind for kind in TYPES if _holds(kind, found.codes)]
    scale = np.full((1,) * leaf.ndim, found.interval).astype(leaf.dtype)
    if not kinds or not np.array_equal(scale * found.codes.astype(leaf.dtype), np.asarray(leaf)):
        return leaf
    return make(jnp.asarray(found.codes, kinds[0]), jnp.asarray(scale))


def _holds(kind: str, codes: np.ndarray) -> bool:
    limits = jnp.iinfo(kind)
    return bool(limits.min <= codes.min(initial=0) and codes.max(initial=0) <= limits.max)
