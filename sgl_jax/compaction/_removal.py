"""Removes the channels of a network that change nothing from its parameters."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from sgl_jax._util.narrowing import LayerOrder, LeafPlan
from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Params, Path
from sgl_jax.compaction._constants import propagate_constants
from sgl_jax.compaction._fastest import Candidate
from sgl_jax.compaction._narrow import Narrowed
from sgl_jax.compaction._ordering import Arrangement, arrange
from sgl_jax.compaction._plan import Plan
from sgl_jax.compaction._refusals import (
    checked_leaves,
    leaves_of,
    protect_leaves,
    refuse_closed_over,
    refuse_unknown,
)
from sgl_jax.compaction._search import Search
from sgl_jax.compaction.axes import Fact, Structure
from sgl_jax.compaction.channels import read_network


__all__ = ["Removal"]


class Removal(NamedTuple):
    """A network whose dead channels are to be removed, read and with its known values.

    Attributes:
      apply: the network.
      params: its parameters.
      leaves: those, by path.
      structure: the network, read.
      values: the number of each leaf in it.
      facts: the values that are known, by their numbers.
      orders: the orders of units that change places within their layers, by path; ``leaves`` and
        ``facts`` have them already, ``params`` do not.
    """

    apply: Callable[..., Any]
    params: Params
    leaves: dict[Path, Any]
    structure: Structure
    values: dict[Path, int]
    facts: dict[int, Fact]
    orders: dict[Path, tuple[LayerOrder, ...]]

    @classmethod
    def read(
        cls,
        apply: Callable[..., Any],
        params: Params,
        inputs: tuple[Any, ...],
        protect: str | None,
        strict: bool,
        by_layer: bool = True,
    ) -> "Removal":
        """Reads a network; arguments as those of :func:`~sgl_jax.compact`.

        Raises:
          ValueError: the network cannot be compacted.
        """
        leaves = checked_leaves(params, inputs)
        structure, values = read_network(apply, params, *inputs)
        protect_leaves(structure, values, protect)
        refuse_unknown(structure, values, strict)
        facts = propagate_constants(structure, {values[p]: leaf for p, leaf in leaves.items()})
        found = Arrangement(leaves, {}, facts)
        if by_layer:
            found = arrange(structure, values, leaves, facts)
        return cls(apply, params, found.leaves, structure, values, found.facts, found.orders)

    def search(self, round_to: int | Sequence[int]) -> Search:
        """Searches the positions that can go, with one multiple for all axes or one for each."""
        search = Search(self.structure, self.facts, tuple(self.values.values()), round_to)
        search.run()
        refuse_closed_over(self.structure, self.values, search)
        return search

    def narrow(self, search: Search) -> Candidate:
        """Makes the network without the positions that a search found, not checked yet."""
        plan = _plan(self.structure, self.values, search)
        folded = _fold_constants(self.structure, self.values, search, self.leaves)
        _, rebuild = flatten_by_path(self.params)
        narrow = plan.narrow(rebuild(self.leaves | folded))
        ordered = [
            (path, dataclasses.replace(leaf, orders=self.orders.get(path, ())))
            for path, leaf in plan.leaves
        ]
        plan = Plan(tuple(ordered))
        return Candidate(plan, tuple(folded), narrow, Narrowed(self.apply, plan))

    def name_axis(self, axis: np.ndarray) -> str:
        """Names an axis by a leaf that has it: one of fewest axes."""
        roots = set(self.structure.sets.roots()[axis].tolist())
        names = leaves_of(self.structure, self.values, roots)
        return min(names, key=lambda path: len(self.structure.axes[self.values[path]]))


def _plan(structure: Structure, values: dict[Path, int], search: Search) -> Plan:
    plans = []
    for path, value in values.items():
        masks = [search.mask(axis) for axis in structure.axes[value]]
        kept = tuple(None if m is None else tuple(np.flatnonzero(m).tolist()) for m in masks)
        plans.append((path, LeafPlan(structure.shape(value), kept)))
    return Plan(tuple(plans))


def _fold_constants(
    structure: Structure, values: dict[Path, int], search: Search, leaves: dict[Path, Any]
) -> dict[Path, Any]:
    """Adds the constants of removed channels to biases; the biases that change, by path."""
    paths = {value: path for path, value in values.items()}
    found: dict[Path, Any] = {}
    for term in search.terms:
        mask = search.mask(term.axis)
        if mask is None or term.fold is None or term.fold.bias is None:
            continue
        added = term.fold.bias_change(~mask)
        if added.any():
            path = paths[term.fold.bias]
            leaf = found.get(path, leaves[path])
            found[path] = leaf + jnp.asarray(added.reshape(leaf.shape), leaf.dtype)
    return found
