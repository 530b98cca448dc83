"""Channels of a network: the positions of its parameters that are removed together."""

from sgl_jax.compaction.channels._channel_groups import ChannelGroups as ChannelGroups
from sgl_jax.compaction.channels._channels import Channels as Channels, Slot as Slot
from sgl_jax.compaction.channels._drawing import mermaid as mermaid
from sgl_jax.compaction.channels._grouping import channel_groups as channel_groups
from sgl_jax.compaction.channels._network import read_network as read_network
from sgl_jax.compaction.channels._reading import (
    read_equations as read_equations,
    read_program as read_program,
)
from sgl_jax.compaction.channels._roles import reading_axes as reading_axes


__all__ = [
    "ChannelGroups",
    "Channels",
    "Slot",
    "channel_groups",
    "mermaid",
    "read_equations",
    "read_network",
    "read_program",
    "reading_axes",
]
