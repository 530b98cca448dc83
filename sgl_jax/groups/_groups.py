"""The families of groups of a whole tree of parameters."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from sgl_jax._util.narrowing import LeafPlan
from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Params, Path
from sgl_jax.groups._family import GroupFamily


__all__ = ["Groups"]


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Groups:
    """The resolved groups of a tree of parameters: a tuple of families of groups.

    It is static and hashable (a pytree without leaves), and stands wherever a grouping does.
    """

    families: tuple[GroupFamily, ...]

    def __iter__(self) -> Iterator[GroupFamily]:
        return iter(self.families)

    def __len__(self) -> int:
        return len(self.families)

    @functools.cached_property
    def paths(self) -> frozenset[Path]:
        """Names of the leaves that have a group."""
        return frozenset(member.path for family in self for member in family.members)

    @functools.cached_property
    def disjoint(self) -> bool:
        """True if no leaf is in two families, so that no entry is in two groups."""
        return len(self.paths) == sum(len(family.members) for family in self)

    def resolve(self, params: Params) -> "Groups":
        """Returns the groups themselves, after a comparison with the parameters.

        Raises:
          ValueError: a leaf of the groups is missing or has another shape.
        """
        return self.check(flatten_by_path(params)[0])

    def check(self, leaves: Mapping[Path, Any]) -> "Groups":
        """Returns the groups themselves, after a comparison with leaves by path."""
        for family in self:
            for member in family.members:
                found = jnp.shape(leaves[member.path]) if member.path in leaves else "no leaf"
                if found != member.shape:
                    raise ValueError(
                        f"These groups need a leaf {member.path!r} of shape {member.shape}, got "
                        f"{found}; resolve the grouping on these parameters."
                    )
        return self

    def narrowed(self, kept: Mapping[Path, LeafPlan]) -> "Groups":
        """Narrows the groups to the positions of the leaves that are left.

        Args:
          kept: for every leaf, by its path, the part that stays.
        """
        return Groups(tuple(family.narrowed(kept) for family in self))

    def restrict(self, paths: frozenset[Path]) -> "Groups":
        """Keeps the families all of whose members are among ``paths``."""
        return Groups(tuple(f for f in self if all(m.path in paths for m in f.members)))
