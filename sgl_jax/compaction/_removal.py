"""Removes the channels of a network that change nothing from its parameters."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from sgl_jax._util.narrowing import LeafPlan
from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Params, Path
from sgl_jax.compaction._constants import propagate_constants
from sgl_jax.compaction._narrow import Narrowed
from sgl_jax.compaction._plan import Plan
from sgl_jax.compaction._refusals import (
    checked_leaves,
    protect_leaves,
    refuse_closed_over,
    refuse_unknown,
)
from sgl_jax.compaction._search import Search
from sgl_jax.compaction.axes import Structure
from sgl_jax.compaction.channels import read_network


__all__ = ["Removal", "remove_channels"]


class Removal(NamedTuple):
    """A network without its dead channels, not checked yet.

    Attributes:
      params: the narrow parameters, biases with their folded constants.
      apply: the network as a function of them.
      plan: the positions that stay of every leaf.
      folded: leaves that took up constants.
      structure: the full network, read.
      values: the number of each leaf in it.
      search: the search that found the channels.
    """

    params: Params
    apply: Narrowed
    plan: Plan
    folded: tuple[Path, ...]
    structure: Structure
    values: dict[Path, int]
    search: Search


def remove_channels(
    apply: Callable[..., Any],
    params: Params,
    inputs: tuple[Any, ...],
    protect: str | None,
    round_to: int,
    strict: bool,
) -> Removal:
    """Finds the channels that change nothing, and removes them from the parameters."""
    leaves = checked_leaves(params, inputs)
    structure, values = read_network(apply, params, *inputs)
    protect_leaves(structure, values, protect)
    refuse_unknown(structure, values, strict)
    facts = propagate_constants(structure, {values[path]: leaf for path, leaf in leaves.items()})
    search = Search(structure, facts, tuple(values.values()), round_to)
    search.run()
    refuse_closed_over(structure, values, search)
    plan = _plan(structure, values, search)
    folded = _fold_constants(structure, values, search, leaves)
    _, rebuild = flatten_by_path(params)
    narrow = plan.narrow(rebuild(leaves | folded))
    return Removal(narrow, Narrowed(apply, plan), plan, tuple(folded), structure, values, search)


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
        added = term.fold.added(~mask)
        if added.any():
            path = paths[term.fold.bias]
            leaf = found.get(path, leaves[path])
            found[path] = leaf + jnp.asarray(added.reshape(leaf.shape), leaf.dtype)
    return found
