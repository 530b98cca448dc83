"""Arrays that lose positions, and values that know shapes of arrays and follow them."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from sgl_jax._util.pytree import is_key
from sgl_jax._util.typing import Path


__all__ = ["Kept", "LayerOrder", "LeafPlan", "Narrowable", "narrow_parts", "take"]

Kept: TypeAlias = tuple[int, ...] | None
"""The positions of an axis that stay, ascending; ``None`` for all."""

N = TypeVar("N", bound="Narrowable")


class LayerOrder(NamedTuple):
    """An order of the positions along an axis, another one for every layer of a stack.

    Attributes:
      layers: the axis of the layers.
      axis: the axis whose positions are put in order.
      positions: for every layer all positions, in their new order.
    """

    layers: int
    axis: int
    positions: tuple[tuple[int, ...], ...]

    @property
    def inverse(self) -> "LayerOrder":
        """The order that undoes this one."""
        return self._replace(positions=tuple(map(tuple, np.argsort(self.positions, 1).tolist())))

    def apply(self, array: Any) -> Any:
        """Puts the positions of an array in order."""
        index = np.asarray(self.positions)
        index = index if self.layers < self.axis else index.T
        others = [k for k in range(np.ndim(array)) if k not in (self.layers, self.axis)]
        library = np if isinstance(array, np.ndarray) else jnp
        return library.take_along_axis(array, np.expand_dims(index, others), self.axis)


@dataclasses.dataclass(frozen=True)
class LeafPlan:
    """The part of a leaf that stays.

    Attributes:
      shape: shape of the whole leaf.
      kept: for every axis the positions that stay, counted in their new order where there is one.
      orders: the orders into which positions are put before.
    """

    shape: tuple[int, ...]
    kept: tuple[Kept, ...]
    orders: tuple[LayerOrder, ...] = ()

    @classmethod
    def whole(cls, shape: Sequence[int]) -> "LeafPlan":
        """Makes the part of a leaf that is all of it."""
        return cls(tuple(shape), (None,) * len(shape))

    @classmethod
    def from_json(
        cls,
        shape: Sequence[int],
        kept: Sequence[Sequence[int] | None],
        orders: Sequence[Sequence[Any]] = (),
    ) -> "LeafPlan":
        """Makes a part of what JSON has of its attributes.

        Raises:
          ValueError: positions that are no ascending ones of their axis, or are in no order of it.
        """
        for size, some in zip(shape, kept, strict=True):
            if some is not None and list(some) != sorted({k for k in some if 0 <= k < size}):
                raise ValueError(f"kept positions {some} of an axis of {size}")
        for layers, axis, positions in orders:
            if np.sort(positions, 1).tolist() != [[*range(shape[axis])]] * shape[layers]:
                raise ValueError(f"an order {positions} of an axis of {shape[axis]}")
        return cls(
            tuple(shape),
            tuple(None if some is None else tuple(some) for some in kept),
            tuple(LayerOrder(n, k, tuple(map(tuple, positions))) for n, k, positions in orders),
        )

    def to_json(self) -> dict[str, Any]:
        """Converts the part to JSON's own types, as arguments of :meth:`from_json`."""
        orders = {"orders": self.orders} if self.orders else {}
        return {"shape": self.shape, "kept": self.kept, **orders}

    @property
    def narrow_shape(self) -> tuple[int, ...]:
        """Shape of the part that stays."""
        pairs = zip(self.shape, self.kept, strict=True)
        return tuple(size if kept is None else len(kept) for size, kept in pairs)

    @property
    def removed(self) -> int:
        """Number of entries that do not stay."""
        return math.prod(self.shape) - math.prod(self.narrow_shape)

    def take(self, leaf: Any) -> Any:
        """Slices a leaf.

        Raises:
          ValueError: the leaf has another shape.
        """
        if np.shape(leaf) != self.shape:
            raise ValueError(
                f"A leaf that loses positions needs the shape {self.shape}, got {np.shape(leaf)}; "
                "give one of the parameters that were compacted."
            )
        return take(leaf, self.kept, self.orders)

    def put(self, narrow: Any) -> Any:
        """Inverts :meth:`take`, with zeros in the positions that were removed."""
        where = np.ix_(*map(_positions, self.shape, self.kept))
        leaf = jnp.zeros(self.shape, narrow.dtype).at[where].set(narrow)
        for order in self.orders:
            leaf = order.inverse.apply(leaf)
        return leaf

    def then(self, further: "LeafPlan") -> "LeafPlan":
        """Joins two parts: that of a whole leaf that stays if ``further`` narrows it once more."""
        first = self
        for order in further.orders:
            first = first._reordered(order)
        pairs = zip(first.shape, first.kept, further.kept, strict=True)
        return LeafPlan(first.shape, tuple(_join(*pair) for pair in pairs), first.orders)

    def _reordered(self, order: LayerOrder) -> "LeafPlan":
        """The same part if what stays along an axis is put in another order, before the rest."""
        axis, size = order.axis, self.shape[order.axis]
        kept = _positions(size, self.kept[axis])
        shape = len(order.positions), size
        before = [each.positions for each in self.orders if each.axis == axis]
        whole = np.asarray(before[0]) if before else np.broadcast_to(np.arange(size), shape)
        stays = np.take_along_axis(whole[:, kept], np.asarray(order.positions), 1)
        whole = np.concatenate([stays, np.delete(whole, kept, 1)], 1)
        others = tuple(each for each in self.orders if each.axis != axis)
        joined = order._replace(positions=tuple(map(tuple, whole.tolist())))
        left = tuple(range(len(kept)))
        return LeafPlan(
            self.shape,
            (*self.kept[:axis], left, *self.kept[axis + 1 :]),
            (*others, joined),
        )


def _positions(size: int, kept: Kept) -> np.ndarray:
    """Lists the positions of an axis that stay."""
    return np.arange(size) if kept is None else np.asarray(kept, int)


def _join(size: int, first: Kept, second: Kept) -> Kept:
    """Lists the positions of an axis that stay after two removals."""
    if second is None:
        return first
    return tuple(_positions(size, first)[np.asarray(second, int)].tolist())


@runtime_checkable
class Narrowable(Protocol):
    """A value that knows shapes of parameters, and can follow parameters that lose positions.

    A class in the state of an optimizer that has such a method is narrowed by it whenever the
    parameters are; arrays need none.
    """

    def narrowed(self: N, kept: Mapping[Path, LeafPlan]) -> N:
        """The same value for parameters of which only some positions are left.

        Args:
          kept: for every leaf of the parameters, by its path, the part that stays.
        """


def narrow_parts(tree: Any, kept: Mapping[Path, LeafPlan]) -> Any:
    """Narrows every :class:`Narrowable` in a tree; everything else stays as it is."""

    def narrowed(node):
        return node.narrowed(kept) if isinstance(node, Narrowable) else node

    return jax.tree.map(narrowed, tree, is_leaf=lambda node: isinstance(node, Narrowable))


def take(
    array: Any,
    kept: Sequence[Sequence[int] | np.ndarray | None],
    orders: Sequence[LayerOrder] = (),
) -> Any:
    """Slices an array along every axis; nothing is traced if the array has its numbers.

    Args:
      array: an array of NumPy or JAX.
      kept: for every axis the positions that stay; ``None`` for all.
      orders: orders into which positions are put before.
    """
    where = [(k, np.asarray(left, int)) for k, left in enumerate(kept) if left is not None]
    if (where or orders) and _has_numbers(array):
        replicated = array.sharding.is_fully_replicated
        narrow = take(np.asarray(array), kept, orders)
        with jax.ensure_compile_time_eval():
            return jax.device_put(narrow, array.sharding if replicated else None)
    for order in orders:
        array = order.apply(array)
    for axis, left in where:
        array = array[(slice(None),) * axis + (left,)]
    return array


def _has_numbers(array: Any) -> bool:
    """True if an array is one of JAX with numbers: no key, and not traced."""
    concrete = isinstance(array, jax.Array) and not isinstance(array, jax.core.Tracer)
    return concrete and not is_key(array)
