"""The graph of channels: which axes of which parameters live and die together."""

from sgl_jax.compaction.channels._channels import Channels as Channels, Slot as Slot
from sgl_jax.compaction.channels._drawing import mermaid as mermaid
from sgl_jax.compaction.channels._grouping import (
    ChannelGroups as ChannelGroups,
    channel_groups as channel_groups,
)
from sgl_jax.compaction.channels._read import read as read, structure_of as structure_of
from sgl_jax.compaction.channels._unread import tie_unread as tie_unread


__all__ = [
    "ChannelGroups",
    "Channels",
    "Slot",
    "channel_groups",
    "mermaid",
    "read",
    "structure_of",
    "tie_unread",
]
