"""Groups of weights that have to be zero together for a channel to be removable."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Params, Path
from sgl_jax.compaction.channels._channel_groups import ChannelGroups
from sgl_jax.compaction.channels._channels import Channels, Slot, channels_of
from sgl_jax.compaction.channels._network import read_network
from sgl_jax.compaction.program import Product, products_of
from sgl_jax.groups import GroupFamily, Groups, Member


__all__ = ["channel_groups"]


def channel_groups(
    apply: Callable[..., Any], params: Params, *inputs: Any, readers: bool = False
) -> ChannelGroups:
    """Finds the channels of a network: the weights that have to be zero together.

    ``Regularizer(penalty, channel_groups(apply, params, *inputs))`` drives to zero what
    :func:`~sgl_jax.compact`, with the same arguments, then removes. Its groups are disjoint, and
    its prox is exact. A channel of zeros stays only where something is added to all channels alike,
    as the bias of a layer that mixes tokens is.

    Args:
      apply: ``(params, *inputs) -> outputs``, in inference mode.
      params: one pytree of all arrays, or their shapes, as for :func:`~sgl_jax.compact`. Of weights
        and running statistics, ``(params, rest)`` say, a link that trains ``params`` groups the
        leaves of ``params``.
      *inputs: example inputs, or their shapes.
      readers: put the kernels that read a channel into its group, too. A kernel is then in two
        families, by its inputs and by its outputs, the groups overlap, and there is no prox: for
        :func:`~sgl_jax.add_penalty_gradient` and the group part of :func:`~sgl_jax.sgl_transform`,
        which take the gradient.

    Raises:
      ValueError: no channel can be removed.

    Example:
      >>> import jax.numpy as jnp, sgl_jax as sgl
      >>> def apply(params, x):
      ...     return jnp.maximum(x @ params["a"] + params["b"], 0.0) @ params["c"]
      >>> params = {"a": jnp.ones((3, 4)), "b": jnp.zeros((1, 4)), "c": jnp.ones((4, 2))}
      >>> [family] = sgl.channel_groups(apply, params, jnp.ones((1, 3))).groups
      >>> [member.path for member in family.members], family.count, family.size
      (['a', 'b'], 4, 4)
    """
    leaves, _ = flatten_by_path(params)
    structure, values = read_network(apply, params, *inputs)
    for equation, axes in structure.loops:
        for axis in axes:
            structure.protect(axis, equation)
    channels = tuple(channels_of(structure, values))
    costs = _costs(products_of(structure.program, list(leaves)) if not structure.loops else [])
    floating = {path for path, leaf in leaves.items() if jnp.issubdtype(leaf.dtype, jnp.floating)}
    families, flops = [], []
    for found, slots in zip(channels, _members(channels, floating, readers), strict=True):
        grouped = tuple(dict.fromkeys(k for slot in slots for k in slot.channel))
        if slots:
            families.append(_family(slots, grouped))
            flops.append(_saved(found, grouped, costs))
    if not families:
        raise ValueError(
            f"channel_groups needs a network with channels that can be removed, got none among "
            f"those of {', '.join(leaves)}."
        )
    unknown = tuple(map(str, structure.unknown))
    return ChannelGroups(channels, Groups(tuple(families)), unknown, tuple(flops))


def _members(
    channels: Sequence[Channels], floating: set[Path], readers: bool
) -> list[tuple[Slot, ...]]:
    """For all channels the slots in their groups, with those that read them if wanted."""
    homes = _homes(channels, floating)
    members = []
    for found in channels:
        made = tuple(slot for slot in found.slots if homes.get(slot.path) is slot)
        read = [slot for slot in found.slots if slot.reads and slot.path in floating]
        wanted = (*made, *read) if readers and made else made
        members.append(tuple(slot for slot in found.slots if slot in wanted))
    return members


def _homes(channels: Sequence[Channels], floating: set[Path]) -> dict[Path, Slot]:
    """For every leaf the axis by which it is in groups: the last that makes removable channels."""
    homes: dict[Path, Slot] = {}
    for found in channels:
        for slot in found.slots:
            removable = not any(found.kept[k] for k in slot.channel)
            if not removable or slot.reads or slot.path not in floating:
                continue
            if slot.path not in homes or slot.axis >= homes[slot.path].axis:
                homes[slot.path] = slot
    return homes


def _family(slots: Sequence[Slot], grouped: Sequence[int]) -> GroupFamily:
    """The family of the groups of some channels, in the order of ``grouped``."""
    numbers = {channel: group for group, channel in enumerate(grouped)}
    members = []
    for slot in slots:
        index = tuple(numbers[k] for k in slot.channel)
        axes = tuple(k for k in range(len(slot.shape)) if k != slot.axis)
        plain = index == tuple(range(len(grouped)))
        members.append(Member(slot.path, slot.shape, axes, None if plain else index))
    return GroupFamily(tuple(members))


def _costs(found: Iterable[Product]) -> dict[tuple[Path, int], int]:
    """The FLOPs of the products with a kernel, for its axes of inputs and of outputs."""
    costs: dict[tuple[Path, int], int] = {}
    for product in found:
        for axis in (*product.inputs, *product.outputs):
            if product.kernel is not None:
                costs[product.kernel, axis] = costs.get((product.kernel, axis), 0) + product.flops
    return costs


def _saved(
    channels: Channels, grouped: tuple[int, ...], costs: dict[tuple[Path, int], int]
) -> tuple[float, ...]:
    """The FLOPs that are saved without each of the channels in ``grouped``."""
    saved = np.zeros(channels.count)
    for slot in channels.slots:
        share = costs.get((slot.path, slot.axis), 0) / len(slot.channel)
        np.add.at(saved, list(slot.channel), share)
    return tuple(saved[list(grouped)].tolist())
