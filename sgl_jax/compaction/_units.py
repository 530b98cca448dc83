"""Units of layers that a loop runs over, which may change places within each layer.

The weights of layers that ``scan`` runs are stacked. A network stays the same if the units of one
layer change places in all arrays that have them, as long as every operation treats units alike and
hands none of them on to the next layer.
"""

import functools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from sgl_jax.compaction.axes import Axis, Fact, Structure
from sgl_jax.compaction.program import Equation, Loop, all_equations


__all__ = ["Stack", "Units", "find_stacks"]

_UNIFORM = {"broadcast_in_dim"}
"""Primitives whose result is the same for all units if no operand has units."""


class Units(NamedTuple):
    """Units that may change places within a layer.

    Attributes:
      roots: the set of positions by which each unit is known.
      labels: for every set of positions of a unit the number of the unit, and which of its
        positions it is: 0, or those of a head.
    """

    roots: np.ndarray
    labels: dict[int, tuple[int, int]]

    def find(self, roots: np.ndarray) -> np.ndarray:
        """Finds the labels of positions along an axis, in rows; -1 for others."""
        return np.array([self.labels.get(root, (-1, -1)) for root in roots.tolist()])

    def are_whole(self, roots: np.ndarray) -> bool:
        """True if an axis has each position of all units, or of none, exactly once."""
        ours = [self.labels[root] for root in roots.tolist() if root in self.labels]
        kinds = {kind for _, kind in ours}
        return len(set(ours)) == len(ours) == len(kinds) * len(self.roots)

    def sort(self, roots: np.ndarray, orders: np.ndarray) -> np.ndarray:
        """Finds the positions along an axis in new orders of the units, a row for each layer."""
        found = self.find(roots).tolist()
        at = {tuple(label): k for k, label in enumerate(found)}
        rows = [
            [k if unit < 0 else at[order[unit], kind] for k, (unit, kind) in enumerate(found)]
            for order in orders.tolist()
        ]
        return np.array(rows)


class Stack:
    """Layers that one or several loops run over.

    Attributes:
      structure: the network, read.
      layers: the sets of positions along the axis of the layers.
      loops: the loops.
    """

    def __init__(self, structure: Structure, layers: np.ndarray, loops: list[Loop]) -> None:
        self.structure = structure
        self.layers = layers
        self.loops = loops
        self._roots = structure.sets.roots()

    def find_axis(self, value: int) -> int | None:
        """Finds the axis of the layers of a value, if it has one."""
        for k, axis in enumerate(self.structure.axes[value]):
            if axis is not None and np.array_equal(self._roots[axis], self.layers):
                return k
        return None

    def roots(self, axis: Axis) -> np.ndarray:
        """The sets of the positions along an axis; none of one that stays whole."""
        return np.zeros(0, int) if axis is None else self._roots[axis]

    def find_units(self, values: Mapping[str, int], facts: Mapping[int, Fact]) -> Iterator[Units]:
        """Finds all kinds of units of the leaves."""
        seen = {self.layers.tobytes()}
        stacked = [value for value in values.values() if self.find_axis(value) is not None]
        axes = [axis for value in stacked for axis in self.structure.axes[value]]
        axes += [factor for grid in self.structure.sets.grids for factor in grid.factors]
        for roots in map(self.roots, axes):
            if len(roots) > 1 and roots.tobytes() not in seen:
                seen.add(roots.tobytes())
                units = self._label(roots)
                if units is not None and self._are_alike(units, facts):
                    yield units

    def _label(self, roots: np.ndarray) -> Units | None:
        """Labels the positions of units, also those along axes that they are merged into."""
        labels = {root: (k, 0) for k, root in enumerate(roots.tolist())}
        if len(labels) < len(roots):
            return None
        for number, column in enumerate(self._find_merged(roots), start=1):
            before = [labels.get(root) for root in column]
            kind = before[0][1] if before[0] else number
            own = [(k, kind) for k in range(len(column))]
            if before not in (own, [None] * len(column)):
                return None
            labels.update(zip(column, own, strict=True))
        return Units(roots, labels)

    def _find_merged(self, roots: np.ndarray) -> Iterator[list[int]]:
        """Finds columns of sets along axes that units are merged into, one of each unit."""
        for grid in self.structure.sets.grids:
            for factor, positions in grid.slices:
                if np.array_equal(self._roots[factor], roots):
                    yield from self._roots[positions].T.tolist()

    @functools.cached_property
    def _inside(self) -> set[int]:
        """The values in the bodies of the loops."""
        functions = [function for loop in self.loops for function in loop.functions]
        within = [*all_equations([e for function in functions for e in function.equations])]
        functions += [inner for e in within if e.loop for inner in e.loop.functions]
        return {
            *(value for equation in within for value in equation.outputs),
            *(value for function in functions for value in function.inputs),
        }

    @property
    def carried(self) -> set[int]:
        """The values in the bodies of the loops that one layer hands on to the next."""
        return self._handed_on & self._inside

    @functools.cached_property
    def _handed_on(self) -> set[int]:
        """The values that are handed to or from a layer, other than the slices of its arrays."""
        links = [link for loop in self.loops for link in loop.links if not link.sliced]
        return {value for link in links for value in (link.source, link.target)}

    @functools.cached_property
    def _protected(self) -> np.ndarray:
        """True for the sets that have to stay."""
        found = np.zeros(len(self._roots), bool)
        found[list(self.structure.sets.reasons())] = True
        return found

    def _are_alike(self, units: Units, facts: Mapping[int, Fact]) -> bool:
        """True if the network is the same however the units of each layer change places."""
        ours = np.zeros(len(self._roots), bool)
        ours[list(units.labels)] = True
        if (ours & self._protected).any() or not self._are_merged_alike(units, ours):
            return False
        return all(
            self._is_alike(value, k, units, ours, facts[value])
            for value, axes in self.structure.axes.items()
            for k, axis in enumerate(axes)
            if axis is not None and ours[self._roots[axis]].any()
        )

    def _are_merged_alike(self, units: Units, ours: np.ndarray) -> bool:
        """True if the units are merged with other axes, if at all, as wholes."""
        for grid in self.structure.sets.grids:
            apart = [f for f in grid.factors if not np.array_equal(self._roots[f], units.roots)]
            mixed = ours[self._roots[np.concatenate([np.zeros(0, int), *apart])]].any()
            whole = len(apart) < len(grid.factors)
            if mixed or (not whole and ours[self._roots[grid.positions]].any()):
                return False
        return True

    def _is_alike(self, value: int, axis: int, units: Units, ours: np.ndarray, fact: Fact) -> bool:
        """True if the places of units in an array follow those in the arrays of their layer."""
        if not units.are_whole(self.roots(self.structure.axes[value][axis])):
            return False
        stacked = self.find_axis(value) is not None
        if value in self._handed_on or not (stacked or value in self._inside):
            return False
        maker = self.structure.makers.get(value)
        if maker is None:
            return value not in self.structure.program.constants or _is_even(fact, axis)
        if maker.loop or maker.name in _UNIFORM or self._reads(maker, ours):
            return True
        return _is_even(fact, axis)

    def _reads(self, equation: Equation, ours: np.ndarray) -> bool:
        """True if an operand of an equation has units."""
        axes = [axis for value in equation.inputs for axis in self.structure.axes[value]]
        return any(ours[self.roots(axis)].any() for axis in axes)


def find_stacks(structure: Structure) -> list[Stack]:
    """Finds the layers that loops run over, with the loops that run over each."""
    found: dict[bytes, tuple[np.ndarray, list[Loop]]] = {}
    loops = [each.loop for each in all_equations(structure.program.equations) if each.loop]
    for loop in loops:
        stacked = [structure.axes[link.source][0] for link in loop.links if link.sliced]
        for layers in [axis for axis in stacked if axis is not None][:1]:  # all are tied
            roots = structure.sets.find(layers)
            found.setdefault(roots.tobytes(), (roots, []))[1].append(loop)
    return [Stack(structure, *each) for each in found.values()]


def _is_even(fact: Fact, axis: int) -> bool:
    """True if all of an array is known, and the same along an axis."""
    known, value = fact.known, fact.value
    return bool(known.all() and (value == value.take([0], axis)).all())
