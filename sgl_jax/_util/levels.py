"""Arrays on levels: entries that are integers times one interval, read off the entries alone."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from sgl_jax._util.typing import ArrayLike


__all__ = ["LARGEST_CODE", "Codes", "read_levels"]

LARGEST_CODE = 1 << 10
"""Largest magnitude of a code."""

SOME = 16 * LARGEST_CODE
"""Entries to look at first."""


class Codes(NamedTuple):
    """An array on levels: the interval times a code, at every entry.

    Attributes:
      interval: distance q > 0 of neighbouring levels, a number of float32.
      codes: integers of the shape of the array, at most 2^10 in magnitude; 0 where it is zero.
    """

    interval: np.float32
    codes: np.ndarray

    @property
    def largest(self) -> int:
        """The largest magnitude of a code; 0 for an array of zeros."""
        return int(np.abs(self.codes).max(initial=0))

    def values(self, dtype: np.dtype | type | str) -> np.ndarray:
        """Multiplies in float32 and rounds to a type: the array, bit for bit.

        Args:
          dtype: type of the array.
        """
        return _multiply(self.interval, self.codes).astype(dtype)


def read_levels(array: ArrayLike) -> Codes | None:
    r"""Reads the interval and the codes of an array whose entries are on levels.

    It is on levels if there is a number :math:`q > 0` of float32 such that every entry is

    .. math:: w = \mathrm{round}(q m), \qquad m \in \mathbb{Z}, \quad |m| \le 2^{10},

    with the product rounded to float32, then to the type of the array. Of several intervals the
    largest is taken, by which the codes are smallest. Entries of :math:`-0` count as 0.

    Args:
      array: real array of any shape and precision.

    Returns:
      Interval and codes, with which ``codes.values(array.dtype)`` is the array, bit for bit; for an
      array of zeros the interval is 1; ``None`` for an array that is not on levels, or that has no
      real floating type.

    Example:
      >>> import jax.numpy as jnp, sgl_jax as sgl
      >>> found = sgl.read_levels(0.3 * jnp.array([0.0, -1.0, 3.0, 2.0]))
      >>> round(float(found.interval), 3), found.codes.tolist()
      (0.3, [0, -1, 3, 2])
      >>> sgl.read_levels(jnp.array([0.1, 0.2345, 0.7777])) is None
      True
    """
    entries = np.asarray(array)
    if not jnp.issubdtype(entries.dtype, jnp.floating):
        return None
    if len(np.unique(np.abs(entries.ravel()[:SOME]))) > LARGEST_CODE + 1:
        return None  # known from a few entries, where there are many
    exact = entries.astype(np.float64)
    values = np.unique(np.abs(exact[exact != 0]))
    if not len(values):
        return Codes(np.float32(1.0), np.zeros(entries.shape, np.int32))
    if len(values) > LARGEST_CODE or not np.isfinite(values[-1]):
        return None
    interval = _find_interval(values, entries.dtype)
    if interval is None:
        return None
    return Codes(interval, np.rint(exact / np.float64(interval)).astype(np.int32))


def _multiply(interval: np.float32, codes: np.ndarray) -> np.ndarray:
    return np.float32(interval) * codes.astype(np.float32)


def _find_interval(values: np.ndarray, dtype: np.dtype) -> np.float32 | None:
    """Finds the largest interval for some ascending magnitudes."""
    for low, high in zip(*_find_ranges(values, dtype), strict=True):
        middle = np.float32((low + high) / 2)
        below, above = (np.nextafter(middle, np.float32(side)) for side in (0, np.inf))
        for interval in (middle, below, above):
            if interval > 0 and _fits(interval, values, dtype):
                return interval
    return None


def _fits(interval: np.float32, values: np.ndarray, dtype: np.dtype) -> bool:
    codes = np.rint(values / np.float64(interval))
    if codes[-1] > LARGEST_CODE:
        return False
    return np.array_equal(_multiply(interval, codes).astype(dtype).astype(np.float64), values)


def _find_ranges(values: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Finds ranges of intervals, largest first, that may suit all magnitudes, by their rounding.

    The least magnitude has the code 1, 2, 3, ...; each of these gives a range of intervals, which
    every other magnitude narrows by the code that is nearest, or empties.
    """
    half = _half_spacings(values, dtype)
    codes = np.arange(1.0, np.floor(LARGEST_CODE * values[0] / values[-1]) + 1)
    low, high = (values[0] - half[0]) / codes, (values[0] + half[0]) / codes
    for value, error in zip(values[1:], half[1:], strict=True):
        nearest = np.rint(value / ((low + high) / 2))
        low = np.maximum(low, (value - error) / nearest)
        high = np.minimum(high, (value + error) / nearest)
        held = low <= high
        low, high = low[held], high[held]
        if not len(low):
            break
    return low, high


def _half_spacings(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Half the distance of every magnitude from its neighbours in a type, and in float32."""
    coarser = max((np.float32, dtype), key=lambda each: float(jnp.finfo(each).eps))
    found = jnp.finfo(coarser)
    _, exponents = np.frexp(values)
    spacings = np.ldexp(float(found.eps), exponents - 1)
    return np.maximum(spacings, float(found.smallest_subnormal)) / 2
