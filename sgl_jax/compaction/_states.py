"""Narrows what belongs to parameters: moments, copies and plans in the state of an optimizer."""

from typing import Any

import jax
import jax.numpy as jnp

from sgl_jax._util.pytree import flatten_by_path, path_of
from sgl_jax.compaction._plan import Plan
from sgl_jax.groups import Groups
from sgl_jax.transforms._links import Footprint, Plan as LinkPlan


__all__ = ["narrowed_state"]


def narrowed_state(plan: Plan, tree: Any) -> Any:
    """A tree in which every tree of parameters, and what is said of their shapes, is narrowed.

    Args:
      plan: what stays of the parameters.
      tree: any tree. A part of it is taken for parameters if all its leaves have paths of theirs,
        be it of some only, as in a masked state, or a dict by path.
    """

    def about(node):
        return isinstance(node, Footprint | Groups | LinkPlan) or _of_parameters(plan, node)

    def narrowed(node):
        if isinstance(node, Footprint):
            return _footprint(plan, node)
        if isinstance(node, Groups):
            return node.narrowed({path: leaf.kept for path, leaf in plan.leaves})
        if isinstance(node, LinkPlan):
            return LinkPlan(_structure(plan, node.structure), node.names)
        return plan.narrowed_leaves(node) if about(node) else node

    return jax.tree.map(narrowed, tree, is_leaf=about)


def _of_parameters(plan: Plan, node: Any) -> bool:
    if jax.tree_util.all_leaves([node]):
        return "" in plan.paths
    keyed, _ = jax.tree_util.tree_flatten_with_path(node)
    return bool(keyed) and all(path_of(key_path) in plan.paths for key_path, _ in keyed)


def _structure(plan: Plan, structure: Any) -> Any:
    """That of a link whose groups are in it, as nodes without leaves."""
    link = jax.tree.unflatten(structure, [0.0] * structure.num_leaves)
    return jax.tree.structure(narrowed_state(plan, link))


def _footprint(plan: Plan, footprint: Footprint) -> Footprint:
    """At least so many of the zeros that were asked for are in what stays."""
    zeros, rebuild = flatten_by_path(footprint.zeros)
    gone = {path: leaf.gone for path, leaf in plan.leaves}
    fewer = {path: jnp.maximum(count - gone[path], 0) for path, count in zeros.items()}
    return footprint._replace(zeros=rebuild(fewer))
