"""Orders of units in which more of them are dead in all layers at once.

The axis of the units of stacked layers is as long in every layer. With the dead units of every
layer last, those go that are last in all layers: as many as in the layer that loses fewest.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from sgl_jax._util.narrowing import LayerOrder, take
from sgl_jax._util.typing import Path
from sgl_jax.compaction._constants import propagate_constants
from sgl_jax.compaction._search import Search
from sgl_jax.compaction._units import Stack, Units, find_stacks
from sgl_jax.compaction.axes import Fact, Structure


__all__ = ["Arrangement", "arrange"]

Leaves: TypeAlias = dict[Path, Any]

Facts: TypeAlias = dict[int, Fact]


class Arrangement(NamedTuple):
    """The leaves of a network in which units have changed places within their layers.

    Attributes:
      leaves: the leaves by path, in their new orders.
      orders: these orders, for every leaf that has some.
      facts: the values that are known, with zeros for units that are dead in their layer.
    """

    leaves: Leaves
    orders: dict[Path, tuple[LayerOrder, ...]]
    facts: Facts


def arrange(
    structure: Structure, values: Mapping[Path, int], leaves: Leaves, facts: Facts
) -> Arrangement:
    """Puts the units that are dead in a layer last there, where that pays.

    Args:
      structure: the network, read.
      values: the number of each leaf in it.
      leaves: the leaves, by path.
      facts: the values that are known.
    """
    found, zeros = Arrangement(leaves, {}, facts), leaves
    for stack in find_stacks(structure):
        kinds = [u for u in stack.find_units(values, facts) if _has_zeros(stack, u, leaves, values)]
        dead = _find_dead(stack, kinds, values, leaves, facts) if kinds else []
        for units, (layer, everywhere) in zip(kinds, dead, strict=True):
            if (layer & ~everywhere).sum(axis=1).min() > 0:
                # What is dead everywhere is not zero perhaps, but one constant: it stays together.
                orders = np.argsort(layer + 2 * everywhere, axis=1, kind="stable")
                zeros = _set_to_zero(stack, units, values, zeros, layer & ~everywhere)
                found.orders.update(_join(stack, units, values, found.orders, orders))
    if not found.orders:
        return found
    leaves, zeros = (_reorder(tree, found.orders) for tree in (leaves, zeros))
    known = {values[path]: leaf for path, leaf in zeros.items()}
    return found._replace(leaves=leaves, facts=propagate_constants(structure, known))


def _find_places(
    stack: Stack, units: Units, values: Mapping[Path, int]
) -> Iterator[tuple[Path, int, int, np.ndarray]]:
    """Finds for every leaf with units the axis of the layers, that of units, and its sets."""
    for path, value in values.items():
        layers = stack.find_axis(value)
        for k, axis in enumerate(stack.structure.axes[value]):
            roots = stack.roots(axis)
            if layers is not None and not units.labels.keys().isdisjoint(roots.tolist()):
                yield path, layers, k, roots


def _has_zeros(stack: Stack, units: Units, leaves: Leaves, values: Mapping[Path, int]) -> bool:
    """True if some leaf has positions of zeros, others in some layers than in others."""
    for path, layers, k, _ in _find_places(stack, units, values):
        leaf = np.moveaxis(np.asarray(leaves[path]), (layers, k), (0, 1))
        zero = ~leaf.reshape(*leaf.shape[:2], -1).any(axis=2)
        if (zero != zero.all(axis=0)).any():
            return True
    return False


class _LayerSearch(Search):
    """The search for units that could go from one layer, beside what goes from the network."""

    def __init__(self, whole: Search, facts: Facts, kinds: Sequence[Units]) -> None:
        super().__init__(whole.structure, facts, whole.parameters)
        may_go = whole.removed.copy()
        may_go[[root for units in kinds for root in units.labels]] = True
        self.removed &= may_go
        self.terms = [dataclasses.replace(term, fold=None) for term in self.terms]


def _find_dead(
    stack: Stack, kinds: Sequence[Units], values: Mapping[Path, int], leaves: Leaves, facts: Facts
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Finds the units of each kind that are dead, by layer, and those that go anyway."""
    whole = Search(stack.structure, facts, tuple(values.values()))
    whole.run()
    carried = {value: facts[value] for value in stack.carried}
    rows = []
    for layer in range(len(stack.layers)):
        known = {value: leaves[path] for path, value in values.items()}
        for value in known:
            if (axis := stack.find_axis(value)) is not None:
                known[value] = np.asarray(known[value]).take([layer], axis)
        found = propagate_constants(stack.structure, known, carried)
        search = _LayerSearch(whole, found, kinds)
        search.run()
        rows.append([search.removed[units.roots] for units in kinds])
    everywhere = [whole.removed[units.roots] for units in kinds]
    return list(zip(map(np.stack, zip(*rows, strict=True)), everywhere, strict=True))


def _set_to_zero(
    stack: Stack, units: Units, values: Mapping[Path, int], leaves: Leaves, dead: np.ndarray
) -> Leaves:
    """Sets all that units have to zero in the layers in which they are dead."""
    found = dict(leaves)
    for path, layers, k, roots in _find_places(stack, units, values):
        leaf = np.array(found[path])
        numbers = units.find(roots)[:, 0]
        mask = (numbers >= 0) & dead[:, numbers]
        np.moveaxis(leaf, (layers, k), (0, 1))[mask] = 0
        found[path] = leaf
    return found


def _join(
    stack: Stack,
    units: Units,
    values: Mapping[Path, int],
    before: Mapping[Path, tuple[LayerOrder, ...]],
    orders: np.ndarray,
) -> dict[Path, tuple[LayerOrder, ...]]:
    """Joins new orders of units with those that leaves have before."""
    joined: dict[Path, dict[int, LayerOrder]] = {}
    for path, layers, k, roots in _find_places(stack, units, values):
        known = joined.setdefault(path, {order.axis: order for order in before.get(path, ())})
        positions = units.sort(roots, orders)
        if k in known:
            positions = np.take_along_axis(np.asarray(known[k].positions), positions, 1)
        known[k] = LayerOrder(layers, k, tuple(map(tuple, positions.tolist())))
    return {path: tuple(known.values()) for path, known in joined.items()}


def _reorder(leaves: Leaves, orders: Mapping[Path, tuple[LayerOrder, ...]]) -> Leaves:
    return {**leaves, **{path: take(leaves[path], (), each) for path, each in orders.items()}}
