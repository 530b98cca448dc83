"""Strengths that differ from group to group, of groups that lose positions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sgl_jax._util.narrowing import Kept, LeafPlan, take
from sgl_jax._util.typing import Path
from sgl_jax.groups import GroupFamily


__all__ = ["narrow_strength"]


def narrow_strength(
    strength: Any, families: Sequence[GroupFamily], kept: Mapping[Path, LeafPlan]
) -> Any:
    """Narrows a strength to the groups that are left.

    Args:
      strength: a number, or an array that broadcasts against the groups of every family.
      families: the groups, before they are narrowed.
      kept: for every leaf, by its path, the part that stays.

    Returns:
      The number, or an array that broadcasts against the groups left.

    Raises:
      ValueError: the groups left differ from family to family.
    """
    shape = np.shape(strength)
    if np.size(strength) == 1:
        return strength
    found = {_groups_left(shape, family, kept) for family in families}
    if len(found) > 1:
        paths = ", ".join(family.members[0].path for family in families)
        raise ValueError(
            f"Groups that lose positions need strengths of their own, got one array of shape "
            f"{shape} for those of {paths}; give each leaf a link with its own array."
        )
    left, narrow_shape = found.pop()
    return take(strength, left).reshape(narrow_shape)


def _groups_left(
    shape: tuple[int, ...], family: GroupFamily, kept: Mapping[Path, LeafPlan]
) -> tuple[tuple[Kept, ...], tuple[int, ...]]:
    """Finds what is left of a strength: positions on each axis, and the shape of the result."""
    narrow = family.narrowed(kept)
    if not family.plain:
        left = tuple(family.find_left(kept).tolist())
        return (*(None for _ in shape[1:]), left), narrow.shape
    part = kept[family.members[0].path]
    sizes = (*(1,) * len(part.shape), *shape)[-len(part.shape) :]
    if any(sizes[order.axis] > 1 for order in part.orders):
        raise ValueError(
            f"Strengths of single units need units that leave from all layers at once, got "
            f"{family.members[0].path!r}, whose layers lost others; use by_layer=False in compact."
        )
    axes = part.kept
    padded = (None,) * (len(shape) - len(axes)) + axes[max(len(axes) - len(shape), 0) :]
    left = tuple(None if size == 1 else some for size, some in zip(shape, padded, strict=True))
    pairs = zip(shape, left, strict=True)
    return left, tuple(size if some is None else len(some) for size, some in pairs)
