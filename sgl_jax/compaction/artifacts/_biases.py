"""Biases on levels, so that they take few bits of an archive."""

import re
from typing import Any

import jax.numpy as jnp
import numpy as np

from sgl_jax._util.levels import Codes, read_levels
from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Params, Path


__all__ = ["round_biases"]

BIASES = r"(^|/)bias$"
"""Finds the paths of biases."""

BITS = (2, 11)
"""Least and most bits of a code, sign included."""


def round_biases(params: Params, bits: int, only: str = BIASES) -> Params:
    r"""Rounds biases to levels: integers times the largest magnitude over :math:`2^{bits-1} - 1`.

    .. math:: b \mapsto q \, \mathrm{round}(b / q), \qquad q = \max_i |b_i| / (2^{bits - 1} - 1)

    array by array. No error is larger than q / 2. Arrays that are on no more levels already, and
    arrays of other types than floating ones, stay as they are.

    Args:
      params: parameters of a network.
      bits: bits of a code with its sign, from 2 to 11.
      only: a regular expression; arrays whose path it finds are rounded.

    Returns:
      A tree like ``params``.

    Raises:
      ValueError: ``bits`` out of its range, or a bias that is no finite number.

    Example:
      >>> import jax.numpy as jnp
      >>> round_biases({"bias": jnp.array([0.5, -0.8, 3.1, 0.0])}, bits=3)["bias"].tolist()
      [0.0, -1.0333..., 3.0999..., 0.0]
    """
    least, most = BITS
    if not least <= bits <= most:
        raise ValueError(f"Biases on levels need {least} to {most} bits, got bits={bits}.")
    leaves, rebuild = flatten_by_path(params)
    rounded = {
        path: _round(path, leaf, (1 << bits - 1) - 1) if re.search(only, path) else leaf
        for path, leaf in leaves.items()
    }
    return rebuild(rounded)


def _round(path: Path, leaf: Any, most: int) -> Any:
    if not jnp.issubdtype(leaf.dtype, jnp.floating):
        return leaf
    found = read_levels(leaf)
    if found is not None and found.largest <= most:
        return leaf
    exact = np.asarray(leaf).astype(np.float64)
    largest = np.abs(exact).max()
    if not np.isfinite(largest):
        raise ValueError(f"Biases on levels need finite numbers, got {largest} at {path!r}.")
    least = np.finfo(np.float32).smallest_subnormal
    interval = np.maximum(np.float32(largest / most), least)
    codes = np.clip(np.rint(exact / np.float64(interval)), -most, most)
    return jnp.asarray(Codes(interval, codes.astype(np.int32)).values(leaf.dtype))
