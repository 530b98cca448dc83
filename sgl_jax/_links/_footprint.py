"""What a proximal step asked for, so that the next one can tell whether it came to be."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from sgl_jax._typing import Path


__all__ = ["Footprint"]


class Footprint(NamedTuple):
    """How many zeros were asked for in the watched leaves, and how often there were fewer.

    Attributes:
      zeros: exact zeros that the last update asked for, in each watched leaf.
      mismatches: so many updates were followed by parameters with fewer. A single one is forgotten
        at the next (``optax.lookahead`` resets the parameters now and then), two in a row are not.
        Where zeros are to last, one counts for two, and for good: it is not asked for again.
    """

    zeros: dict[Path, Array]
    mismatches: Array

    @classmethod
    def empty(cls, leaves: dict[Path, Array], share: float) -> "Footprint":
        """That of a link that has not asked for anything in these leaves.

        Counting costs a pass over the leaves. ``share``, in [0, 1], of their entries is watched at
        most: the smallest leaves, at least one.
        """
        budget = share * sum(leaf.size for leaf in leaves.values())
        watched: list[Path] = []
        for path in sorted(leaves, key=lambda path: (leaves[path].size, path)):
            budget -= leaves[path].size
            if watched and budget < 0:
                break
            watched.append(path)
        zeros = {path: jnp.zeros((), jnp.int32) for path in watched}
        return cls(zeros, jnp.zeros((), jnp.int32))

    def followed(
        self, found: dict[Path, Array], asked: dict[Path, Array], lasting: bool
    ) -> "Footprint":
        """Compares the leaves ``found`` with what had been asked for; notes what is asked now."""
        missed = jnp.zeros((), bool)
        for path, zeros in self.zeros.items():
            missed |= _zeros(found[path]) < zeros
        zeros = {path: _zeros(asked[path]) for path in self.zeros}
        kept = jnp.where(self.mismatches > 1, self.mismatches, 0)
        more = self.mismatches + (2 if lasting else 1)
        return Footprint(zeros, jnp.where(missed, more, kept))


def _zeros(leaf: Array) -> Array:
    return jnp.sum(leaf == 0, dtype=jnp.int32)
