"""What is known of the values of a network before it sees an input.

Masks say which weights are zero; what a channel carries is another matter, since biases, norms and
residual sums make constants of zeros. So values are propagated: an entry is known if it is the same
for every input, with the parameters as they are.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from sgl_jax.compaction.axes._structure import Structure
from sgl_jax.compaction.program import Equation


__all__ = ["Fact", "FactRule", "unknown", "widened"]


@dataclasses.dataclass(frozen=True, eq=False)
class Fact:
    """What is known of one array.

    Both arrays have as many axes as the array and broadcast against it, with one position on axes
    along which nothing changes.

    Attributes:
      known: whether an entry is the same for every input.
      value: its value; 0 where it is not known.
    """

    known: np.ndarray
    value: np.ndarray

    @classmethod
    def of(cls, known: Any, value: Any) -> "Fact":
        """A fact of which the value is forgotten where it is not known."""
        known, value = np.asarray(known), np.asarray(value)
        return cls(known, value if known.all() else np.where(known, value, np.zeros_like(value)))

    @property
    def zero(self) -> np.ndarray:
        """Which entries are zero for every input."""
        return np.asarray(self.known & (self.value == 0))

    @property
    def live(self) -> np.ndarray:
        """Which entries may be other than zero."""
        return np.logical_not(self.zero)

    def map(self, function: Callable[[np.ndarray], np.ndarray]) -> "Fact":
        """The fact of an array whose entries are moved, of which none is made or joined."""
        return Fact(np.asarray(function(self.known)), np.asarray(function(self.value)))

    def full(self, axes: Sequence[int], shape: Sequence[int]) -> "Fact":
        """The same with all positions on some axes."""
        return self.map(lambda x: widened(x, axes, shape))


FactRule: TypeAlias = Callable[[Structure, Equation, Sequence[Fact]], list[Fact] | None]


def widened(x: np.ndarray, axes: Sequence[int], shape: Sequence[int]) -> np.ndarray:
    """An array with all positions on some axes, along which it may have one."""
    return np.broadcast_to(x, [shape[k] if k in axes else n for k, n in enumerate(x.shape)])


def unknown(rank: int, dtype: Any) -> Fact:
    """Of an array of which nothing is known."""
    return Fact(np.zeros((1,) * rank, bool), np.zeros((1,) * rank, dtype))
