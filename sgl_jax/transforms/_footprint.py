"""What a proximal step asked for, so that the next one can tell whether it came to be."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from sgl_jax._typing import Path


__all__ = ["Footprint"]


class Footprint(NamedTuple):
    """One number per leaf, and one for all.

    Attributes:
      zeros: exact zeros that the last update asked for in each leaf.
      mismatches: how many updates were followed by parameters with fewer.
    """

    zeros: dict[Path, Array]
    mismatches: Array

    @classmethod
    def empty(cls, paths: frozenset[Path]) -> "Footprint":
        """That of a link that asked for nothing yet."""
        zeros = {path: jnp.zeros((), jnp.int32) for path in sorted(paths)}
        return cls(zeros, jnp.zeros((), jnp.int32))

    def followed(self, found: dict[Path, Array], asked: dict[Path, Array]) -> "Footprint":
        """Compares the leaves ``found`` with what had been asked for; notes what is asked now."""
        missed = jnp.zeros((), bool)
        for path, zeros in _zeros(found).items():
            missed |= zeros < self.zeros[path]
        return Footprint(_zeros(asked), self.mismatches + missed.astype(jnp.int32))


def _zeros(leaves: dict[Path, Array]) -> dict[Path, Array]:
    return {path: jnp.sum(leaf == 0, dtype=jnp.int32) for path, leaf in leaves.items()}
