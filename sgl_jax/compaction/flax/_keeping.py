"""Finds the fewest arrays that have to stay whole, so that a narrow module works."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from sgl_jax._util.typing import Path
from sgl_jax.compaction import Plan, Removal
from sgl_jax.compaction.axes import Axis


__all__ = ["Unit", "fewest", "find_units"]

Roots: TypeAlias = frozenset[int]
"""Sets of tied positions that are removed from an axis, by their roots."""


class Unit(NamedTuple):
    """Dead channels that are kept together.

    Attributes:
      paths: arrays that keep them, if they are protected.
      counted: a layer divides by their number.
    """

    paths: tuple[Path, ...]
    counted: bool


def find_units(removal: Removal, plan: Plan, counted: Sequence[tuple[Path, ...]]) -> list[Unit]:
    """Splits what a plan removes into what can be kept apart.

    Args:
      removal: the network, read.
      plan: the positions that stay of its leaves.
      counted: for each layer that divides by a number of channels, the arrays with these channels
        on their last axis; it needs equal numbers in all of them.
    """
    removed = _removed(removal, plan)
    preferred = {path for paths in counted for path in paths[:1]}
    widths = [_union(removed[path][-1] for path in paths if path in removed) for paths in counted]
    parts = [frozenset([roots]) for roots in _apart(removed)]
    for width in widths:
        met = [part for part in parts if _union(part) & width]
        parts = [part for part in parts if part not in met]
        parts += [frozenset().union(*met)] if met else []
    return [
        Unit(
            tuple(sorted({_holder(removed, roots, preferred) for roots in part})),
            any(_union(part) & width for width in widths),
        )
        for part in parts
    ]


def fewest(units: Sequence[Unit], works: Callable[[Sequence[Unit]], bool]) -> Sequence[Unit]:
    """Finds the fewest units that have to be kept, by bisection.

    Args:
      units: all that are removed.
      works: True if the module works with some of them kept.

    Returns:
      Units none of which can be left out; none if keeping all of them does not help.
    """
    if not units:
        return []
    counted = [unit for unit in units if unit.counted]
    found = _needed(counted if counted and works(counted) else units, [], works)
    return found if works(found) else []


def _needed(
    units: Sequence[Unit], kept: list[Unit], works: Callable[[Sequence[Unit]], bool]
) -> list[Unit]:
    """Some units that suffice beside those that are kept, of which none is for nothing."""
    if len(units) == 1:
        return list(units)
    first, second = units[: len(units) // 2], units[len(units) // 2 :]
    later = [] if works([*kept, *first]) else _needed(second, [*kept, *first], works)
    if later and works([*kept, *later]):
        return later
    return later + _needed(first, [*kept, *later], works)


def _removed(removal: Removal, plan: Plan) -> dict[Path, list[Roots]]:
    """The removed sets of every axis of the leaves that lose some."""
    sets, axes = removal.structure.sets, removal.structure.axes

    def roots(axis: Axis, kept: Sequence[int] | None) -> Roots:
        whole = axis is None or kept is None
        return frozenset() if whole else frozenset(sets.find(np.delete(axis, kept)).tolist())

    return {
        path: list(map(roots, axes[removal.values[path]], leaf.kept))
        for path, leaf in plan.leaves
        if leaf.removed
    }


def _apart(removed: dict[Path, list[Roots]]) -> list[Roots]:
    """The smallest axes that have all removed sets between them."""
    seen: set[int] = set()
    found = []
    for roots in sorted({roots for axes in removed.values() for roots in axes}, key=len):
        if not roots <= seen:
            found.append(roots)
            seen |= roots
    return found


def _holder(removed: dict[Path, list[Roots]], roots: Roots, preferred: set[Path]) -> Path:
    """The leaf with all of some sets, and with the fewest others; a preferred one of several."""

    def cost(path: Path) -> tuple[int, int, bool]:
        return len(_union(removed[path])), len(removed[path]), path not in preferred

    return min(
        (path for path, axes in removed.items() if any(roots <= other for other in axes)), key=cost
    )


def _union(roots: Iterable[Roots]) -> Roots:
    return frozenset().union(*roots)
