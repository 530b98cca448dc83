"""Exact counts of zeros and of live groups, and the objective."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sgl_jax._util.numerics import working_dtype
from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Params, Path
from sgl_jax.groups import GroupingLike, by_neuron
from sgl_jax.transforms import penalty_value


__all__ = [
    "PAPER_TOLERANCE",
    "Live",
    "Sparsity",
    "live_groups",
    "objective",
    "sparsity",
]

PAPER_TOLERANCE = 1e-5


class Sparsity(NamedTuple):
    """Shares in [0, 1] of the weights and of the groups of the grouped leaves.

    Attributes:
      weights: share of weights that are exactly zero.
      groups: share of groups all of whose weights are exactly zero.
      weights_paper: share of weights with magnitude under 1e-5.
      groups_paper: share of groups with mean magnitude at most 1e-5.
    """

    weights: Float[Array, ""] | float
    groups: Float[Array, ""] | float
    weights_paper: Float[Array, ""] | float
    groups_paper: Float[Array, ""] | float


class Live(NamedTuple):
    """Groups of a leaf (of the kernel that makes them, where groups span several leaves).

    Attributes:
      live: number of groups with a nonzero weight.
      count: number of groups.
    """

    live: Array
    count: int


def sparsity(params: Params, grouping: GroupingLike = by_neuron()) -> Sparsity:
    """Counts the zeros in a tree of parameters.

    Args:
      params: usually those of :func:`~sgl_jax.sparse_params`.
      grouping: the leaves that count, and their groups.

    Raises:
      ValueError: no leaf matches.
    """
    leaves, _ = flatten_by_path(params)
    totals, weights, groups = [], 0, 0
    for family in grouping.resolve(params):
        parts = [leaves[member.path] for member in family.members]
        dtype = working_dtype(*parts)
        parts = [jnp.abs(part.astype(dtype)) for part in parts]
        size = jnp.asarray(family.size, dtype)
        mean = family.sum(parts) / (size.reshape(family.shape) if size.ndim else size)
        counted = [
            [part == 0 for part in parts],
            [family.max(parts) == 0],
            [part < PAPER_TOLERANCE for part in parts],
            [mean <= PAPER_TOLERANCE],
        ]
        totals.append([_count(held) for held in counted])
        weights += sum(part.size for part in parts)
        groups += family.count
    with jax.enable_x64(True):
        counts = jnp.sum(jnp.array(totals), axis=0)
        shares = counts / jnp.array([weights, groups] * 2)
        return Sparsity(*shares.astype(jnp.float32))


def _count(held: Sequence[Array]) -> Array:
    """Counts the true entries of some arrays, of which there may be more than 2^31."""
    rows = [jnp.sum(part, axis=part.ndim - 1 if part.ndim else None) for part in held]
    with jax.enable_x64(True):
        return functools.reduce(jnp.add, [jnp.sum(row.astype(jnp.int64)) for row in rows])


def live_groups(params: Params, grouping: GroupingLike = by_neuron()) -> dict[Path, Live]:
    """Counts the groups with a nonzero weight, leaf by leaf; arguments as in :func:`sparsity`."""
    leaves, _ = flatten_by_path(params)
    found = {}
    for family in grouping.resolve(params):
        parts = [jnp.abs(leaves[member.path]) for member in family.members]
        found[family.main.path] = Live(jnp.sum(family.max(parts) > 0), family.count)
    return found


def objective(loss: Float[Array, ""], opt_state: Any, params: Params) -> Float[Array, ""]:
    """Adds the penalties of the links of ``opt_state`` to the loss: training minimises the sum.

    Args:
      loss: the data loss at ``params``.
      opt_state: any Optax state with links of this package in it.
      params: the parameters.

    Raises:
      ValueError: no link found.
    """
    return loss + penalty_value(opt_state, params).astype(loss.dtype)
