"""Arrays that are split over the explicit axes of a mesh, where the split is part of the type."""

from collections.abc import Sequence

import jax
from jaxtyping import Array


__all__ = ["in_one_piece", "split_like"]


def in_one_piece(x: Array, axes: Sequence[int]) -> Array:
    """Gathers axes that, by the type of the array, are split over devices."""
    spec = [None if axis in axes else name for axis, name in enumerate(_spec(x))]
    return _resharded(x, spec)


def split_like(x: Array, other: Array) -> Array:
    """Splits an array over devices as, by its type, another one of its shape is."""
    return _resharded(x, _spec(other))


def _spec(x: Array) -> list:
    return list(jax.typeof(x).sharding.spec)


def _resharded(x: Array, spec: list) -> Array:
    return x if spec == _spec(x) else jax.sharding.reshard(x, jax.sharding.PartitionSpec(*spec))
