"""The channels of a network, the leaves that hold them, and why some cannot be removed."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from sgl_jax._util.typing import Path
from sgl_jax.compaction.axes import Structure
from sgl_jax.compaction.channels._roles import reading_axes


__all__ = ["Channels", "Slot", "channels_of"]


@dataclasses.dataclass(frozen=True)
class Slot:
    """An axis of a leaf that holds channels.

    Attributes:
      path: name of the leaf.
      shape: its shape.
      axis: the axis.
      channel: for every position on the axis the number of the channel it belongs to.
      reads: True if the leaf reads the channels, by its inputs, and does not make them.
    """

    path: Path
    shape: tuple[int, ...]
    axis: int
    channel: tuple[int, ...]
    reads: bool


@dataclasses.dataclass(frozen=True)
class Channels:
    """Channels that are held by the same leaves.

    Attributes:
      slots: the axes that hold them.
      kept: for every channel the reason why it cannot be removed; empty if it can.
      ties: the operations that tie the leaves to each other.
      heads: True if they are the heads of an attention.
    """

    slots: tuple[Slot, ...]
    kept: tuple[str, ...]
    ties: tuple[str, ...]
    heads: bool = False

    @property
    def count(self) -> int:
        """Number of channels."""
        return len(self.kept)

    @property
    def free(self) -> int:
        """Number of channels that can be removed."""
        return sum(not why for why in self.kept)

    @property
    def reasons(self) -> list[str]:
        """The reasons why others cannot be removed, each once."""
        return list(dict.fromkeys(filter(None, self.kept)))

    def __str__(self) -> str:
        kind = "heads" if self.heads else "channels"
        lines = [f"{self.count} {kind}, {self.free} of them removable"]
        for words, reads in (("made by", False), ("read by", True)):
            slots = [slot for slot in self.slots if slot.reads == reads]
            lines += [f"  {words} {slot.path}, axis {slot.axis}" for slot in slots]
        lines += [f"  tied by {tie}" for tie in self.ties]
        lines += [f"  kept: {why}" for why in self.reasons]
        return "\n".join(lines)


class _Holder(NamedTuple):
    """An axis of a leaf, with the root of every position on it."""

    path: Path
    axis: int
    roots: np.ndarray


def channels_of(
    structure: Structure, values: dict[Path, int], heads: np.ndarray
) -> Iterable[Channels]:
    """Finds the channels of every connected set of axes of leaves; windows have none.

    Args:
      structure: the network, read.
      values: the numbers of its parameters, by path.
      heads: the positions of heads.
    """
    find, reasons = structure.sets.find, structure.sets.reasons()
    reading = reading_axes(structure)
    windows = {root for axis in structure.windows for root in find(axis).tolist()}
    holders = [
        _Holder(path, k, find(axis))
        for path, value in values.items()
        for k, axis in enumerate(structure.axes[value])
        if axis is not None
    ]
    for roots, connected in _components(holders):
        if windows.issuperset(roots):
            continue
        numbers = {root: k for k, root in enumerate(roots)}
        slots = tuple(
            Slot(
                holder.path,
                structure.shape(values[holder.path]),
                holder.axis,
                tuple(numbers[root] for root in holder.roots.tolist()),
                (values[holder.path], holder.axis) in reading,
            )
            for holder in connected
        )
        ties = [str(by) for axis, by in structure.ties if find(axis[:1])[0] in numbers]
        kept = tuple(reasons.get(root, "") for root in roots)
        are_heads = not numbers.keys().isdisjoint(find(heads).tolist())
        yield Channels(slots, kept, tuple(dict.fromkeys(ties)), are_heads)


def _components(holders: Sequence[_Holder]) -> Iterable[tuple[list[int], list[_Holder]]]:
    """The connected sets of axes that share roots, with their roots in the order they are met."""
    rest = list(holders)
    while rest:
        component, roots = [rest[0]], dict.fromkeys(rest[0].roots.tolist())
        rest, grown = rest[1:], True
        while grown:
            joining = [h for h in rest if not roots.keys().isdisjoint(h.roots.tolist())]
            rest = [h for h in rest if roots.keys().isdisjoint(h.roots.tolist())]
            component, grown = component + joining, bool(joining)
            for holder in joining:
                roots |= dict.fromkeys(holder.roots.tolist())
        yield list(roots), component
