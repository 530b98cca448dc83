"""The entries of an array that are the same for every input of a network, and their values.

Masks say which weights are zero; what a channel carries is another matter, since biases, norms and
residual sums make constants of zeros. So constants are propagated: an entry is known if it is the
same for every input, with the parameters as they are.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


__all__ = ["Fact", "unknown", "widen"]


@dataclasses.dataclass(frozen=True, eq=False)
class Fact:
    """The known entries of one array.

    Both arrays have as many axes as the array and broadcast against it, with one position on axes
    along which nothing changes.

    Attributes:
      known: True for entries that are the same for every input.
      value: the value of an entry; 0 where it is not known.
    """

    known: np.ndarray
    value: np.ndarray

    @classmethod
    def of(cls, known: Any, value: Any) -> "Fact":
        """A fact from values that are forgotten where they are not known."""
        known, value = np.asarray(known), np.asarray(value)
        return cls(known, value if known.all() else np.where(known, value, np.zeros_like(value)))

    @property
    def zero(self) -> np.ndarray:
        """True for entries that are zero for every input."""
        return np.asarray(self.known & (self.value == 0))

    @property
    def live(self) -> np.ndarray:
        """True for entries that may be other than zero."""
        return np.logical_not(self.zero)

    def map(self, function: Callable[[np.ndarray], np.ndarray]) -> "Fact":
        """Applies a function that only moves entries to both arrays."""
        return Fact(np.asarray(function(self.known)), np.asarray(function(self.value)))

    def agree(self, other: "Fact") -> "Fact":
        """The entries that are known to be the same numbers in two arrays of one shape."""
        return Fact.of(self.known & other.known & (self.value == other.value), self.value)

    def any_slice(self) -> "Fact":
        """The fact of every slice along the first axis: entries that all slices have in common."""
        first = self.value[:1]
        known = self.known.all(axis=0) & (self.value == first).all(axis=0)
        return Fact.of(known, first.sum(axis=0, dtype=first.dtype))

    def widen(self, axes: Sequence[int], shape: Sequence[int]) -> "Fact":
        """The same fact with all positions on some axes; see :func:`widen`."""
        return self.map(lambda x: widen(x, axes, shape))

    def per_channel(self, axis: int, shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """The channels all of whose entries are one known number, and the numbers.

        Args:
          axis: the axis of the channels.
          shape: shape of the array.

        Returns:
          A boolean and a value per channel; 0 where it is not known.
        """
        others = tuple(k for k in range(len(shape)) if k != axis)
        size = (shape[axis],)
        even = all(self.value.shape[k] == 1 for k in others)
        known = np.broadcast_to(self.known.all(axis=others), size)
        if not even:
            known = known & np.broadcast_to((self.value == 0).all(axis=others), size)
        value = self.value.max(axis=others) if even else np.zeros((), self.value.dtype)
        return known, np.where(known, value, np.zeros_like(value))


def widen(x: np.ndarray, axes: Sequence[int], shape: Sequence[int]) -> np.ndarray:
    """Broadcasts an array to all positions on some axes, along which it may have one."""
    return np.broadcast_to(x, [shape[k] if k in axes else n for k, n in enumerate(x.shape)])


def unknown(rank: int, dtype: Any) -> Fact:
    """The fact of an array of which nothing is known."""
    return Fact(np.zeros((1,) * rank, bool), np.zeros((1,) * rank, dtype))
