"""Lanes taken out of stacked trees and put back, and trees moved between devices."""

from functools import partial
from typing import Any

import jax
from jax.lax import dynamic_index_in_dim, dynamic_update_index_in_dim
from jaxtyping import Array


__all__ = ["move", "put_lanes", "take_lanes"]


def move(tree: Any, place: Any) -> Any:
    """Moves a tree to a device or a sharding; leaves it where it is if that is ``None``."""
    return tree if place is None else jax.device_put(tree, place)


@jax.jit
def take_lanes(tree: Any, at: Array) -> Any:
    """Takes the lanes at one index, or at several; beyond the last lane, the last."""
    if at.ndim == 0:
        return jax.tree.map(lambda leaf: dynamic_index_in_dim(leaf, at, keepdims=False), tree)
    return jax.tree.map(lambda leaf: leaf.at[at].get(mode="clip"), tree)


@partial(jax.jit, donate_argnums=0)
def put_lanes(tree: Any, lanes: Any, at: Array) -> Any:
    """Puts lanes back at their indices; those beyond the last are left out."""
    if at.ndim == 0:
        put = dynamic_update_index_in_dim
        return jax.tree.map(lambda leaf, lane: put(leaf, lane, at, 0), tree, lanes)
    return jax.tree.map(lambda leaf, lane: leaf.at[at].set(lane, mode="drop"), tree, lanes)
