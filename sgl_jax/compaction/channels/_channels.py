"""Channels: what lives and dies together in a network."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from sgl_jax._util.typing import Path
from sgl_jax.compaction.axes._structure import Structure
from sgl_jax.compaction.channels._roles import reading_axes


__all__ = ["Channels", "Slot", "channels_of"]


@dataclasses.dataclass(frozen=True)
class Slot:
    """Where a leaf holds channels.

    Attributes:
      path: name of the leaf.
      shape: its shape.
      axis: its axis.
      channel: for every position on the axis the number of the channel it belongs to.
      reads: whether the leaf reads the channels, by its inputs, and does not make them.
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
      slots: where.
      kept: for every channel why it cannot be removed; empty if it can.
      ties: the operations that tie the leaves to each other.
    """

    slots: tuple[Slot, ...]
    kept: tuple[str, ...]
    ties: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many channels there are."""
        return len(self.kept)

    @property
    def free(self) -> int:
        """How many of them can be removed."""
        return sum(not why for why in self.kept)

    @property
    def reasons(self) -> list[str]:
        """Why others cannot be removed, each reason once."""
        return list(dict.fromkeys(filter(None, self.kept)))

    def __str__(self) -> str:
        lines = [f"{self.count} channels, {self.free} of them removable"]
        for words, reads in (("made by", False), ("read by", True)):
            slots = [slot for slot in self.slots if slot.reads == reads]
            lines += [f"  {words} {slot.path}, axis {slot.axis}" for slot in slots]
        lines += [f"  tied by {tie}" for tie in self.ties]
        lines += [f"  kept: {why}" for why in self.reasons]
        return "\n".join(lines)


def channels_of(structure: Structure, values: dict[Path, int]) -> Iterable[Channels]:
    """The channels of every connected set of axes of leaves; windows are none."""
    find, reasons = structure.classes.find, structure.classes.reasons()
    reading = reading_axes(structure)
    windows = {name for axis in structure.windows for name in find(axis).tolist()}
    slots = [
        (path, axis, find(atoms))
        for path, value in values.items()
        for axis, atoms in enumerate(structure.axes[value])
        if atoms is not None
    ]
    for names, members in _connected(slots):
        if windows.issuperset(names):
            continue
        numbers = {name: k for k, name in enumerate(names)}
        held = tuple(
            Slot(
                path,
                structure.shape(values[path]),
                axis,
                tuple(numbers[name] for name in classes.tolist()),
                (values[path], axis) in reading,
            )
            for path, axis, classes in members
        )
        kept = tuple(reasons.get(name, "") for name in names)
        ties = [str(by) for axis, by in structure.ties if find(axis[:1])[0] in numbers]
        yield Channels(held, kept, tuple(dict.fromkeys(ties)))


def _connected(slots: list[Any]) -> Iterable[tuple[list[int], list[Any]]]:
    """Sets of axes with classes in common, and their classes in the order they are met."""
    while slots:
        members, names = [slots[0]], dict.fromkeys(slots[0][2].tolist())
        rest, grown = slots[1:], True
        while grown:
            joined = [slot for slot in rest if not names.keys().isdisjoint(slot[2].tolist())]
            rest = [slot for slot in rest if names.keys().isdisjoint(slot[2].tolist())]
            members, grown = members + joined, bool(joined)
            for slot in joined:
                names |= dict.fromkeys(slot[2].tolist())
        yield list(names), members
        slots = rest
