"""Constant propagation through primitives that write into an array."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from sgl_jax.compaction.axes import Fact


__all__ = ["WRITES", "Bounds", "Write", "write"]


class Bounds(NamedTuple):
    """The numbers that may be written.

    Attributes:
      known: True where all of them are known.
      low: the least of them.
      high: the greatest.
    """

    known: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Write(NamedTuple):
    """A way of writing a number over another.

    Attributes:
      combine: the number that is there afterwards, of both.
      unchanged: True if no number between ``low`` and ``high`` changes the one that is there.
    """

    combine: Callable[[Any, Any], Any]
    unchanged: Callable[[Any, Any, Any], Any]


WRITES = {
    "set": Write(lambda x, u: u, lambda x, low, high: (low == x) & (high == x)),
    "add": Write(np.add, lambda x, low, high: (low == 0) & (high == 0)),
    "max": Write(np.maximum, lambda x, low, high: high <= x),
    "min": Write(np.minimum, lambda x, low, high: low >= x),
    "mul": Write(np.multiply, lambda x, low, high: (x == 0) | ((low == 1) & (high == 1))),
    "sub": Write(np.subtract, lambda x, low, high: (low == 0) & (high == 0)),
}
"""The ways of writing by name."""


def write(
    way: str,
    into: Fact,
    updates: Bounds,
    shape: tuple[int, ...],
    places: Mapping[int, Any],
    certain: bool,
) -> Fact:
    """Propagates constants into an array of which some entries are written over.

    Args:
      way: name of the way of writing.
      into: the fact of the array.
      updates: what is written, with the axes of the array.
      shape: shape of the array.
      places: for axes of which a part is written the positions of that part.
      certain: every entry at these places is written once, and no other. Otherwise any of the
        entries may be, and only what no update changes is known.
    """
    wide = into.widen(tuple(places), shape)
    sizes = np.broadcast_shapes(
        *(
            [1 if k in places else size for k, size in enumerate(x.shape)]
            for x in (*updates, wide.known, wide.value)
        )
    )
    sizes = [shape[k] if k in places else size for k, size in enumerate(sizes)]
    known, value = (np.broadcast_to(x, sizes).copy() for x in (wide.known, wide.value))
    at = tuple(places.get(k, slice(None)) for k in range(len(sizes)))
    if certain:
        found = WRITES[way].combine(value[at], updates.low)
        known[at] = updates.known & (known[at] if way != "set" else True)
        value[at] = found
    else:
        known[at] &= updates.known & WRITES[way].unchanged(value[at], updates.low, updates.high)
    return Fact.of(known, value)
