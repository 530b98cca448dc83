"""Watches over parameters: each update notes what it asked for, the next one compares."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import jax.numpy as jnp
import optax
from jaxtyping import Array

from sgl_jax._util.narrowing import LeafPlan
from sgl_jax._util.numerics import working_dtype
from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Leaves, Params, Path, Updates


__all__ = ["Checksum", "Footprint", "sample"]

_SHARE, _FEW = 1 / 16, 3
"""Sampling limits: a sixteenth of the entries, since each costs a pass over memory, and three
leaves, since a GPU starts the passes over them one by one."""


class Footprint(NamedTuple):
    """Counts of zeros asked for in the watched leaves, and of updates that found fewer.

    Attributes:
      zeros: exact zeros that the last update asked for, in each watched leaf.
      mismatches: the number of updates after which there were fewer. One is forgotten at the next
        update without, since ``optax.lookahead`` resets the parameters now and then; two or more
        stay. Where zeros are permanent, one counts as two.
    """

    zeros: dict[Path, Array]
    mismatches: Array

    @classmethod
    def empty(cls, leaves: Iterable[Path]) -> "Footprint":
        """Starts a watch of these leaves, of which nothing has been asked yet."""
        zeros = {path: jnp.zeros((), jnp.int32) for path in leaves}
        return cls(zeros, jnp.zeros((), jnp.int32))

    def follow(self, found: Leaves, asked: Leaves, permanent: bool) -> "Footprint":
        """Compares the leaves ``found`` with what had been asked for; notes what is asked now."""
        missed = jnp.zeros((), bool)
        for path, zeros in self.zeros.items():
            missed |= _count_zeros(found[path]) < zeros
        zeros = {path: _count_zeros(asked[path]) for path in self.zeros}
        return Footprint(zeros, _add_up(self.mismatches, missed, 2 if permanent else 1))

    def narrowed(self, kept: Mapping[Path, LeafPlan]) -> "Footprint":
        """Lowers each count by the entries that are removed: at least so many zeros are left."""
        zeros, rebuild = flatten_by_path(self.zeros)
        fewer = {path: jnp.maximum(n - kept[path].removed, 0) for path, n in zeros.items()}
        return self._replace(zeros=rebuild(fewer))

    @property
    def complaint(self) -> str:
        """The sentence for too many mismatches."""
        return (
            "A link that sets zeros must be the last link of its chain, got parameters with "
            "fewer zeros than it had set; move it behind the learning rate and every "
            "other link."
        )


class Checksum(NamedTuple):
    """Sums of the watched leaves where the last update led, and a count of misses.

    For a method whose parameters have no zeros to count, but must be what it made them.

    Attributes:
      sums: of the magnitudes of each watched leaf, after the last update.
      within: how far off rounding may have them; infinite before the first update.
      mismatches: as in :class:`Footprint`.
    """

    sums: dict[Path, Array]
    within: dict[Path, Array]
    mismatches: Array

    @classmethod
    def empty(cls, params: Params) -> "Checksum":
        """Starts a watch of a :func:`sample` of the parameters, before the first update."""
        leaves, _ = flatten_by_path(params)
        sums = {path: _magnitude(jnp.zeros_like(leaves[path])) for path in sample(leaves)}
        within = {path: jnp.full_like(total, jnp.inf) for path, total in sums.items()}
        return cls(sums, within, jnp.zeros((), jnp.int32))

    def follow(self, params: Params, updates: Updates) -> "Checksum":
        """Compares the parameters with where the last update led; notes where these lead."""
        (leaves, _), (steps, _) = flatten_by_path(params), flatten_by_path(updates)
        missed, sums, within = jnp.zeros((), bool), {}, {}
        for path, total in self.sums.items():
            w = leaves[path]
            found, asked = _magnitude(w), _magnitude(optax.apply_updates(w, steps[path]))
            missed |= jnp.abs(found - total) > self.within[path]
            # A sum and a difference round each entry; adding entries up is a random walk.
            slack = jnp.finfo(w.dtype).eps + w.size**0.5 * jnp.finfo(found.dtype).eps
            sums[path], within[path] = asked, float(slack) * (found + asked)
        return Checksum(sums, within, _add_up(self.mismatches, missed, 1))

    @property
    def complaint(self) -> str:
        """The sentence for too many mismatches."""
        return (
            "A method that keeps an iterate of its own must be the last link of its chain, got "
            "parameters that are not where its updates lead; move it behind every other link."
        )


def sample(leaves: Mapping[Path, Array]) -> list[Path]:
    """Chooses the largest leaves that fit into a sixteenth of all entries, three at most.

    If none fits, it is the smallest. For a link that need not watch all, which costs a pass over
    each.
    """
    budget = _SHARE * sum(leaf.size for leaf in leaves.values())
    by_size = sorted(leaves, key=lambda path: (-leaves[path].size, path))
    watched: list[Path] = []
    for path in by_size:
        if leaves[path].size <= budget and len(watched) < _FEW:
            watched.append(path)
            budget -= leaves[path].size
    return watched or by_size[-1:]


def _add_up(mismatches: Array, missed: Array, each: int) -> Array:
    """Adds up the mismatches; fewer than two are forgotten if nothing was missed."""
    kept = jnp.where(mismatches > 1, mismatches, 0)
    return jnp.where(missed, mismatches + each, kept)


def _magnitude(leaf: Array) -> Array:
    """Sums the magnitudes, at least in single precision."""
    magnitudes = jnp.abs(leaf)  # real, where the leaf is complex and nobody's
    return jnp.sum(magnitudes, dtype=working_dtype(magnitudes))


def _count_zeros(leaf: Array) -> Array:
    return jnp.sum(leaf == 0, dtype=jnp.int32)
