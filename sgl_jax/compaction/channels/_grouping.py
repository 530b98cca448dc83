"""Groups of weights that have to be zero together for a channel to be removable."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from sgl_jax._util.pytree import check_real, flatten_by_path
from sgl_jax._util.typing import Params, Path
from sgl_jax.compaction.channels._channel_groups import ChannelGroups
from sgl_jax.compaction.channels._channels import Channels, Slot, channels_of
from sgl_jax.compaction.channels._factors import choose_factors
from sgl_jax.compaction.channels._network import read_network
from sgl_jax.compaction.channels._normalized import protect_normalized
from sgl_jax.compaction.channels._roles import head_positions
from sgl_jax.compaction.program import Program, products_of
from sgl_jax.groups import GroupFamily, Groups, Member


__all__ = ["channel_groups"]

_MOST_REASONS = 3
"""Reasons in a message why no channels can be removed."""


def channel_groups(
    apply: Callable[..., Any],
    params: Params,
    *inputs: Any,
    readers: bool = False,
    heads: bool = False,
) -> ChannelGroups:
    """Finds the channels of a network: the weights that have to be zero together.

    ``Regularizer(penalty, channel_groups(apply, params, *inputs))`` drives to zero what
    :func:`~sgl_jax.compact`, with the same arguments, then removes. Its groups are disjoint, and
    its prox is exact. A channel of zeros stays only where something is added to all channels alike,
    as the bias of a layer that mixes tokens is, or the mean that a norm without scales subtracts.

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
      heads: group whole heads of attentions in place of head dimensions: all that makes a head's
        query, key and value, and the rows of the kernel that reads it. Heads that share a key and
        value make one group with them; where all share one, a head is its query and what reads it.
        Channels that such a kernel makes, those of a residual stream, are then in no group: aim at
        them, or at head dimensions, by a second regularizer, without a prox.

    Raises:
      ValueError: no channel can be removed, or no head.

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
    positions = head_positions(structure)
    choose_factors(structure, positions, heads)
    if not readers:
        protect_normalized(structure)
    channels = tuple(channels_of(structure, values, positions))
    costs = _costs(structure.program, list(leaves))
    check_real("channel_groups", {s.path: leaves[s.path] for each in channels for s in each.slots})
    floating = {path for path, leaf in leaves.items() if jnp.issubdtype(leaf.dtype, jnp.floating)}
    aims_at_heads, families, flops = False, [], []
    members = _members(channels, floating, readers, heads)
    for found, slots in zip(channels, members, strict=True):
        grouped = tuple(dict.fromkeys(k for slot in slots for k in slot.channel))
        if slots:
            aims_at_heads |= found.heads
            families.append(_family(slots, grouped))
            flops.append(_saved(found, grouped, costs))
    if not families or heads > aims_at_heads:
        reasons = dict.fromkeys(why for found in channels for why in found.reasons)
        because = f": {'; '.join(itertools.islice(reasons, _MOST_REASONS))}" if reasons else ""
        raise ValueError(
            f"channel_groups needs a network with {'heads' if heads else 'channels'} that can be "
            f"removed, got none among those of {', '.join(leaves)}{because}."
        )
    unknown = tuple(map(str, structure.unknown))
    return ChannelGroups(channels, Groups(tuple(families)), unknown, tuple(flops))


def _members(
    channels: Sequence[Channels], floating: set[Path], readers: bool, heads: bool
) -> list[tuple[Slot, ...]]:
    """For all channels the slots in their groups, with those that read them if wanted."""
    homes = _homes(channels, floating)
    whole = _whole_heads(channels, floating) if heads else {}
    members = []
    for found in channels:
        slots = [slot for slot in found.slots if slot.path in floating]
        # Without all that makes them the channels would not go.
        lost = any(not slot.reads and whole.get(slot.path, slot) is not slot for slot in slots)
        made = [slot for slot in slots if (homes | whole).get(slot.path) is slot and not lost]
        read = [slot for slot in slots if slot.reads and readers and made]
        members.append(tuple(slot for slot in slots if slot in (*made, *read)))
    return members


def _homes(channels: Sequence[Channels], floating: set[Path]) -> dict[Path, Slot]:
    """For every leaf the axis by which it is in groups.

    It is the last that makes removable channels, but for channels that other leaves make, too, and
    are not in groups by: of a learned query not its heads, say, where key and value are in groups
    by head dimensions. Such channels are left out one after the other, the least complete first.
    """
    makers = [
        [slot for slot in _removable([each], floating) if not slot.reads] for each in channels
    ]
    makers = [slots for slots in makers if slots]
    while True:
        homes: dict[Path, Slot] = {}
        for slot in itertools.chain(*makers):
            if slot.path not in homes or slot.axis >= homes[slot.path].axis:
                homes[slot.path] = slot
        shares = [
            sum(homes[slot.path] is slot for slot in slots) / len({slot.path for slot in slots})
            for slots in makers
        ]
        incomplete = [share for share in shares if 0 < share < 1]
        if not incomplete:
            return homes
        makers.pop(shares.index(min(incomplete)))


def _whole_heads(channels: Sequence[Channels], floating: set[Path]) -> dict[Path, Slot]:
    """For every leaf that makes or reads removable heads the axis of these."""
    slots = _removable([found for found in channels if found.heads], floating)
    return {slot.path: slot for slot in slots}


def _removable(channels: Sequence[Channels], floating: set[Path]) -> Iterable[Slot]:
    """The slots of leaves that are trained, all of whose channels can be removed."""
    for found in channels:
        for slot in found.slots:
            if slot.path in floating and not any(found.kept[k] for k in slot.channel):
                yield slot


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


def _costs(program: Program, paths: Sequence[Path]) -> dict[tuple[Path, int], int]:
    """The FLOPs of the products with a kernel, for its axes of inputs and of outputs."""
    try:
        found = products_of(program, paths)
    except ValueError:  # some are in a while loop or in a branch
        return {}
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
