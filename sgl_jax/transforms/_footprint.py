"""What a proximal step asked for, so that the next one can tell whether it came to be."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from sgl_jax._typing import Path


__all__ = ["Footprint"]

_WATCHED = 1 / 16


class Footprint(NamedTuple):
    """How many zeros were asked for in some leaves, and how often there were fewer.

    Whatever runs after a proximal step acts on all leaves, so a few are watched: the smallest,
    together up to a sixteenth of the entries and at least one. Counting in all of them would cost
    a quarter of a step of Adam.

    Attributes:
      zeros: exact zeros that the last update asked for, in each watched leaf.
      mismatches: how many updates were followed by parameters with fewer.
    """

    zeros: dict[Path, Array]
    mismatches: Array

    @classmethod
    def empty(cls, leaves: dict[Path, Array]) -> "Footprint":
        """That of a link that has not asked for anything in these leaves."""
        budget = _WATCHED * sum(leaf.size for leaf in leaves.values())
        watched: list[Path] = []
        for path in sorted(leaves, key=lambda path: (leaves[path].size, path)):
            budget -= leaves[path].size
            if watched and budget < 0:
                break
            watched.append(path)
        zeros = {path: jnp.zeros((), jnp.int32) for path in watched}
        return cls(zeros, jnp.zeros((), jnp.int32))

    def followed(self, found: dict[Path, Array], asked: dict[Path, Array]) -> "Footprint":
        """Compares the leaves ``found`` with what had been asked for; notes what is asked now."""
        missed = jnp.zeros((), bool)
        for path, zeros in self.zeros.items():
            missed |= _zeros(found[path]) < zeros
        zeros = {path: _zeros(asked[path]) for path in self.zeros}
        return Footprint(zeros, self.mismatches + missed.astype(jnp.int32))


def _zeros(leaf: Array) -> Array:
    return jnp.sum(leaf == 0, dtype=jnp.int32)
