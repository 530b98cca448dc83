"""Levels in the state of an algorithm: intervals, support, and how many codes have changed."""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sgl_jax._util.narrowing import LeafPlan
from sgl_jax._util.pytree import flatten_by_path, pytree_dataclass
from sgl_jax._util.typing import ArrayLike, Leaves, Path
from sgl_jax.groups import Groups, resolved_groups
from sgl_jax.penalties import Levels, Quantised
from sgl_jax.regularizers import Regularizer, RegularizerLike, require_regularizer
from sgl_jax.transforms._links import Link, RegularizerLink


__all__ = [
    "Fit",
    "count_changes",
    "fit_levels",
    "refit_levels_if",
    "require_levels",
    "round_to_levels",
    "signs",
    "start_levels",
]


@pytree_dataclass(static=("groups",))
class Intervals:
    """Intervals of levels, per group.

    Attributes:
      groups: the groups.
      each: an array per group for every family.
    """

    groups: Groups
    each: tuple[Array, ...]

    def narrowed(self, kept: Mapping[Path, LeafPlan]) -> "Intervals":
        """Keeps the intervals of the groups that are left.

        Args:
          kept: for every leaf of the parameters, by its path, the part that stays.
        """
        narrow, families = self.groups.narrowed(kept), self.groups.families
        left = [family.find_left(kept) for family in families]
        arrays = [jax.tree.leaves(each)[0] for each in self.each]
        each = [
            jnp.ravel(interval)[some].reshape(family.shape)
            for interval, some, family in zip(arrays, left, narrow, strict=True)
        ]
        return Intervals(narrow, tuple(each))


class Fit(NamedTuple):
    """The levels that weights were fitted by.

    Attributes:
      intervals: of every group.
      support: masks of the weights that were not zero at the start, by path.
    """

    intervals: Intervals
    support: Leaves


def require_levels(name: str, regularizer: RegularizerLike) -> None:
    """Refuses a regularizer other than levels.

    Args:
      name: the algorithm that needs them.
      regularizer: what it was given.

    Raises:
      ValueError: another one.
    """
    require_regularizer(name, regularizer)
    if not _has_levels(regularizer):
        names = ", ".join(type(penalty).__name__ for penalty in regularizer.penalties)
        raise ValueError(
            f"{name} needs a Regularizer with Levels, which says what weights may be, got {names}."
        )


def _has_levels(regularizer: RegularizerLike) -> bool:
    return isinstance(regularizer, Regularizer) and isinstance(regularizer.penalty, Levels)


def fit_levels(regularizer: RegularizerLike, leaves: Leaves) -> Fit | None:
    """Fits levels to weights, whose zeros stay zero; ``None`` for a regularizer without levels."""
    if not _has_levels(regularizer):
        return None
    groups = resolved_groups(cast(Regularizer, regularizer).grouping)
    support = {path: leaf != 0 for path, leaf in leaves.items()}
    empty = tuple(jnp.ones(family.shape) for family in groups)
    return _refit_levels(regularizer, leaves, Fit(Intervals(groups, empty), support))


def refit_levels_if(due: ArrayLike, regularizer: RegularizerLike, leaves: Leaves, fit: Fit) -> Fit:
    """Fits levels anew, on the same support, if that is due."""
    again = lambda leaves, fit: _refit_levels(regularizer, leaves, fit)  # noqa: E731
    return jax.lax.cond(due, again, lambda leaves, fit: fit, leaves, fit)


def _refit_levels(regularizer: RegularizerLike, leaves: Leaves, fit: Fit) -> Fit:
    """Fits levels anew, on the same support."""
    support, _ = flatten_by_path(fit.support)
    levels, found = cast(Levels, cast(Regularizer, regularizer).penalty), []
    for family, _ in cast(Regularizer, regularizer).families(leaves, disjoint=True):
        parts, masks = ([tree[m.path] for m in family.members] for tree in (leaves, support))
        found.append(levels.fit(parts, family, None, masks))
    return fit._replace(intervals=Intervals(fit.intervals.groups, tuple(found)))


def round_to_levels(
    regularizer: RegularizerLike, leaves: Leaves, fit: Fit
) -> tuple[Leaves, Leaves]:
    """Rounds weights to the levels of a fit; returns them and their codes, int16."""
    support, _ = flatten_by_path(fit.support)
    levels = cast(Levels, cast(Regularizer, regularizer).penalty)
    values, codes = dict(leaves), {}
    families = cast(Regularizer, regularizer).families(leaves, disjoint=True)
    for (family, _), wrapped in zip(families, fit.intervals.each, strict=True):
        paths = [member.path for member in family.members]
        parts, masks = ([tree[path] for path in paths] for tree in (leaves, support))
        # A container such as nnx.Optimizer wraps every array.
        (interval,) = jax.tree.leaves(wrapped)
        found: list[Quantised] = levels.round(parts, family, interval, masks)
        values.update(zip(paths, (each.values for each in found), strict=True))
        codes.update(zip(paths, (each.codes.astype(jnp.int16) for each in found), strict=True))
    return values, codes


def start_levels(link: Link, leaves: Leaves) -> tuple[Fit, tuple[Leaves, Leaves]]:
    """Fits the levels of a resolved link to weights, and rounds them; returns fit and rounding."""
    regularizer = cast(RegularizerLink, link).regularizer
    fit = cast(Fit, fit_levels(regularizer, leaves))
    return fit, round_to_levels(regularizer, leaves, fit)


def signs(leaves: Leaves) -> Leaves:
    """Finds the signs of weights, int16: their codes where there are no levels."""
    return {path: jnp.sign(leaf).astype(jnp.int16) for path, leaf in leaves.items()}


def count_changes(codes: Leaves, start: Any) -> Array:
    """Counts the codes that differ from those at the start, int32."""
    before, _ = flatten_by_path(start)
    changed = [jnp.sum(codes[path] != each, dtype=jnp.int32) for path, each in before.items()]
    return jnp.sum(jnp.stack(changed), dtype=jnp.int32)
