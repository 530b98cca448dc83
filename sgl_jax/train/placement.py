"""Placement of arrays on many devices: a mesh, and the leaves that are split over it.

Data are split over the devices, parameters are copied to each of them (:func:`data_parallel`) or
split as well (:func:`fully_sharded`); the compiler inserts the communication. The devices may
belong to several processes, each of which calls the same functions with the same values.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, TypeVar

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from sgl_jax._util.pytree import is_key


__all__ = ["Placement", "data_parallel", "fully_sharded", "gathered"]

T = TypeVar("T")

MIN_ENTRIES = 64
"""Entries per device from which on it pays to split a leaf."""


@dataclasses.dataclass(frozen=True)
class Placement:
    """The layout of a training run on its devices.

    Attributes:
      mesh: the devices, along axes of type ``Auto``.
      shard_params: if true, the leaves of a state are split over the devices, each along its
        largest axis that they divide; else they are copied to every device.
    """

    mesh: Mesh
    shard_params: bool = False

    def sharding(self, shape: tuple[int, ...]) -> NamedSharding:
        """Returns the sharding of a leaf of a state; it depends on the shape alone.

        So the moments that an optimizer keeps of a parameter lie beside it. Leaves that are
        small, or that the devices do not divide, are on every device.

        Args:
          shape: shape of the leaf.
        """
        count = self.mesh.size
        axes = [axis for axis, length in enumerate(shape) if length % count == 0]
        if not (self.shard_params and axes and math.prod(shape) >= MIN_ENTRIES * count):
            return self._sharding()
        longest = max(axes, key=lambda axis: shape[axis])
        return self._sharding(*[None] * longest, self.mesh.axis_names)

    def place(self, state: T) -> T:
        """Puts a state, or a part of one, on the devices; leaves that lie there stay as they are.

        Args:
          state: any tree, the same in every process.
        """
        return jax.tree.map(lambda leaf: _put(leaf, self.sharding(np.shape(leaf))), state)

    def copy(self, tree: T) -> T:
        """Puts a tree on every device.

        Args:
          tree: any tree, the same in every process.
        """
        return jax.tree.map(lambda leaf: _put(leaf, self._sharding()), tree)

    def keep(self, state: T) -> T:
        """Keeps a state within ``jit`` where :meth:`place` puts it, so that no step compiles twice.

        Args:
          state: any tree.
        """
        return jax.tree.map(
            lambda leaf: jax.lax.with_sharding_constraint(leaf, self.sharding(leaf.shape)), state
        )

    def whole(self, tree: T) -> T:
        """Gathers a tree within ``jit`` on every device, so that each can compute with all of it.

        Args:
          tree: any tree, the split parameters for the forward pass.
        """
        return jax.lax.with_sharding_constraint(tree, self._sharding())

    def split(self, batch: T) -> T:
        """Splits a batch within ``jit`` over the devices, along the first axis of each leaf.

        Args:
          batch: any tree.
        """
        return jax.lax.with_sharding_constraint(batch, self._sharding(self.mesh.axis_names))

    def settled(self, tree: T) -> T:
        """Waits for a tree on CPUs, where programs that communicate must not overlap.

        Each of them takes a thread per device while it waits for the others, and there are only so
        many: two programs with half of their threads each wait for ever.

        Args:
          tree: the result of the last program.
        """
        on_cpu = self.mesh.devices.flat[0].platform == "cpu"
        return jax.block_until_ready(tree) if on_cpu else tree

    def check_batch(self, batch_size: int) -> None:
        """Raises ``ValueError`` if the devices cannot share a batch evenly."""
        if batch_size % self.mesh.size:
            raise ValueError(
                f"A batch needs to be divisible by the {self.mesh.size} devices that share it, got "
                f"{batch_size} examples: choose another batch size, or fewer devices."
            )

    def summary(self) -> dict[str, int | bool]:
        """Returns the entry of a record: devices, processes, and if parameters are split."""
        processes = len({device.process_index for device in self.mesh.devices.flat})
        return {
            "devices": self.mesh.size,
            "processes": processes,
            "shard_params": self.shard_params,
        }

    def _sharding(self, *axes: Any) -> NamedSharding:
        return NamedSharding(self.mesh, PartitionSpec(*axes))


def data_parallel(devices: Sequence[jax.Device] | None = None) -> Placement:
    """Splits every batch over the devices and copies the state to each of them.

    Args:
      devices: by default all, those of the other processes included.

    Example:
      >>> data_parallel().sharding((800, 500)).is_fully_replicated
      True
    """
    found = jax.devices() if devices is None else list(devices)
    return Placement(jax.make_mesh((len(found),), ("devices",), (AxisType.Auto,), devices=found))


def fully_sharded(devices: Sequence[jax.Device] | None = None) -> Placement:
    """Splits every batch over the devices, and parameters and optimizer state, too.

    Args:
      devices: by default all, those of the other processes included.

    Example:
      >>> rows, _ = fully_sharded().sharding((800, 500)).shard_shape((800, 500))
      >>> rows * jax.device_count()
      800
    """
    return dataclasses.replace(data_parallel(devices), shard_params=True)


def gathered(tree: T) -> T:
    """Gathers every leaf of a tree, whole, on one device of this process.

    All processes must call it; leaves that are on one device stay as they are.

    Args:
      tree: any tree of arrays, wherever they lie.
    """
    return jax.tree.map(_gather, tree)


def _put(leaf: Any, sharding: NamedSharding) -> Array:
    """Puts a leaf on the devices of a sharding, those of other processes included."""
    is_global = isinstance(leaf, Array) and not leaf.is_fully_addressable
    if is_global or sharding.is_fully_addressable:
        return jax.device_put(leaf, sharding)
    if is_key(leaf):
        numbers = _put(jax.random.key_data(leaf), sharding)
        return jax.random.wrap_key_data(numbers, impl=jax.random.key_impl(leaf))
    host = np.asarray(leaf)
    return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])


def _gather(leaf: Any) -> Any:
    if not isinstance(leaf, Array) or len(leaf.sharding.device_set) == 1:
        return leaf
    everywhere = NamedSharding(leaf.sharding.mesh, PartitionSpec())  # pyrefly: ignore
    # One after the other: on CPUs programs that communicate must not overlap.
    return jax.device_put(leaf, everywhere).block_until_ready().addressable_data(0)
