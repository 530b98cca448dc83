"""The graph of channels: which axes of which parameters live and die together."""

from sgl_jax.compaction.channels._channels import Channels as Channels, Slot as Slot
from sgl_jax.compaction.channels._classes import Axis as Axis, Classes as Classes
from sgl_jax.compaction.channels._drawing import mermaid as mermaid
from sgl_jax.compaction.channels._grouping import (
    ChannelGroups as ChannelGroups,
    channel_groups as channel_groups,
)
from sgl_jax.compaction.channels._layout import gathered_axis as gathered_axis
from sgl_jax.compaction.channels._read import read as read, structure_of as structure_of
from sgl_jax.compaction.channels._reshape import blocks as blocks
from sgl_jax.compaction.channels._rules import ELEMENTWISE as ELEMENTWISE, RULES as RULES
from sgl_jax.compaction.channels._structure import (
    Axes as Axes,
    Sink as Sink,
    Structure as Structure,
)
from sgl_jax.compaction.channels._unread import tie_unread as tie_unread


__all__ = [
    "ELEMENTWISE",
    "RULES",
    "Axes",
    "Axis",
    "ChannelGroups",
    "Channels",
    "Classes",
    "Sink",
    "Slot",
    "Structure",
    "blocks",
    "channel_groups",
    "gathered_axis",
    "mermaid",
    "read",
    "structure_of",
    "tie_unread",
]
