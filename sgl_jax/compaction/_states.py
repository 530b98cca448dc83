"""Narrows what belongs to parameters: moments, copies and groups in the state of an optimizer."""

from typing import Any

import jax

from sgl_jax._util.narrowing import Narrowable
from sgl_jax._util.pytree import path_of
from sgl_jax.compaction._plan import Plan


__all__ = ["narrow_state"]


def narrow_state(plan: Plan, tree: Any) -> Any:
    """Narrows every tree of parameters in a tree, and every :class:`Narrowable`.

    Args:
      plan: what stays of the parameters.
      tree: any tree. A part of it is taken for parameters if all its leaves have paths of theirs,
        be it of some only, as in a masked state, or a dict by path.
    """
    kept = dict(plan.leaves)

    def follows(node):
        return isinstance(node, Narrowable) or _of_parameters(plan, node)

    def narrowed(node):
        if isinstance(node, Narrowable):
            return node.narrowed(kept)
        return plan.narrow_leaves(node) if follows(node) else node

    return jax.tree.map(narrowed, tree, is_leaf=follows)


def _of_parameters(plan: Plan, node: Any) -> bool:
    if jax.tree_util.all_leaves([node]):
        return "" in plan.paths
    keyed, _ = jax.tree_util.tree_flatten_with_path(node)
    return bool(keyed) and all(path_of(key_path) in plan.paths for key_path, _ in keyed)
