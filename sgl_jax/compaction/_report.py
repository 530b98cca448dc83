"""Reports a compaction, in numbers and sentences."""

import dataclasses

from sgl_jax._util.typing import Path
from sgl_jax.compaction._plan import Plan


__all__ = ["Report", "Size", "shapes_of"]


@dataclasses.dataclass(frozen=True)
class Size:
    """The size of a network.

    Attributes:
      parameters: entries of its leaves.
      flops: twice the multiply-adds of its convolutions and matrix products for the example inputs.
      bytes: bytes of its leaves.
    """

    parameters: int
    flops: int
    bytes: int


@dataclasses.dataclass(frozen=True)
class Report:
    """The channels that were removed, those that were not and why, and the check of the answers.

    Attributes:
      shapes: for every leaf that lost channels its shape before and after.
      before: size of the full network.
      after: size of the compacted network.
      error: the largest difference between their outputs, on the example inputs and on random ones.
      scale: the largest output of the full network, in magnitude.
      staying: channels that are zero wherever they are made, or wherever they are read, and that
        were not removed, with the reason.
      kept: channels that carry the same number for every input and were not removed, with the
        reason.
      revived: leaves all of whose channels could go, and that keep one.
      folded: leaves that took up constants.
      unknown: operations without a rule, which keep whole what they read.
      timed: the multiples of channels that were timed, with medians, and the one that was kept.
      ordered: leaves of stacked layers whose units are in an order of their own in each layer.
    """

    shapes: dict[Path, tuple[tuple[int, ...], tuple[int, ...]]]
    before: Size
    after: Size
    error: float
    scale: float
    staying: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    revived: tuple[Path, ...] = ()
    folded: tuple[Path, ...] = ()
    unknown: tuple[str, ...] = ()
    timed: tuple[str, ...] = ()
    ordered: tuple[Path, ...] = ()

    def __str__(self) -> str:
        lines = [f"{path}: {old} -> {new}" for path, old, new in self.changes]
        for name in ("parameters", "flops", "bytes"):
            old, new = getattr(self.before, name), getattr(self.after, name)
            lines.append(f"{name}: {old:,} -> {new:,} ({_share(new, old)})")
        return "\n".join([*lines, *self.notes])

    @property
    def changes(self) -> list[tuple[Path, str, str]]:
        """The leaves that lost channels, with their shapes before and after in words."""
        return [(path, _by(old), _by(new)) for path, (old, new) in self.shapes.items()]

    @property
    def notes(self) -> list[str]:
        """Everything but the sizes, a line each."""
        lines = [f"largest difference: {self.error:.1e}, of outputs up to {self.scale:.1e}"]
        for words, items in (
            ("zero, but kept", self.staying),
            ("constant, but kept", self.kept),
            ("one channel left, where none was needed", self.revived),
            ("took up constants", self.folded),
            ("in an order of its own in each layer", self.ordered),
            ("not understood, kept whole what it reads", self.unknown),
            ("timed", self.timed),
        ):
            lines += [f"{words}: {item}" for item in items]
        return lines


def shapes_of(plan: Plan) -> dict[Path, tuple[tuple[int, ...], tuple[int, ...]]]:
    """The shapes before and after of the leaves that lose channels."""
    return {
        path: (leaf.shape, leaf.narrow_shape)
        for path, leaf in plan.leaves
        if leaf.shape != leaf.narrow_shape
    }


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _share(new: int, old: int) -> str:
    return f"{100 * new / old:.1f} %" if old else "-"
