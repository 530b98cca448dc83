"""The graph of channels as a drawing."""

from collections.abc import Sequence

from sgl_jax._util.typing import Path
from sgl_jax.compaction.channels._channels import Channels


__all__ = ["mermaid"]


def mermaid(channels: Sequence[Channels]) -> str:
    """Draws leaves, the channels they make and those they read, in the language of Mermaid.

    A box is a leaf, a rounded box channels, with the reasons why some cannot be removed.

    Args:
      channels: the ``channels`` of :class:`~sgl_jax.ChannelGroups`.
    """
    leaves: dict[Path, str] = {}
    lines = ["flowchart LR"]
    for k, found in enumerate(channels):
        why = "".join(f"<br>{_plain(reason)}" for reason in found.reasons)
        lines.append(f'  c{k}("{found.free} of {found.count} channels removable{why}")')
        for slot in found.slots:
            if slot.path not in leaves:
                leaves[slot.path] = f"l{len(leaves)}"
                lines.append(f'  {leaves[slot.path]}["{_plain(slot.path)}"]')
            pair = (f"c{k}", leaves[slot.path])
            lines.append("  {} --> {}".format(*(pair if slot.reads else reversed(pair))))
    return "\n".join(lines)


def _plain(words: str) -> str:
    """Replaces the characters that Mermaid would interpret."""
    return words.replace('"', "'").replace("<", "").replace(">", "")
