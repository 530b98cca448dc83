"""Lanes taken out of stacked trees and put back, and moved between devices."""

from functools import partial
from typing import Any

import jax
from jax.lax import dynamic_index_in_dim, dynamic_update_index_in_dim
from jaxtyping import Array


__all__ = ["moved", "rows", "with_rows"]


def moved(tree: Any, place: Any) -> Any:
    """The tree on a device or with a sharding; where it is, if that is ``None``."""
    return tree if place is None else jax.device_put(tree, place)


@jax.jit
def rows(tree: Any, at: Array) -> Any:
    """The lanes at these places; beyond the last it is the last."""
    if at.ndim == 0:
        return jax.tree.map(lambda leaf: dynamic_index_in_dim(leaf, at, keepdims=False), tree)
    return jax.tree.map(lambda leaf: leaf.at[at].get(mode="clip"), tree)


@partial(jax.jit, donate_argnums=0)
def with_rows(tree: Any, rows: Any, at: Array) -> Any:
    """The tree with these lanes in their places, those beyond the last left out."""
    if at.ndim == 0:
        return jax.tree.map(lambda *leaves: dynamic_update_index_in_dim(*leaves, at, 0), tree, rows)
    return jax.tree.map(lambda leaf, row: leaf.at[at].set(row, mode="drop"), tree, rows)
