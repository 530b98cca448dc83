"""Which channels can go: the greatest set whose removal changes nothing."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from sgl_jax.compaction._folding import Fold, fold_of
from sgl_jax.compaction.axes import Axis, Sink, Structure
from sgl_jax.compaction.axes._facts import Fact


__all__ = ["Search"]


@dataclasses.dataclass(eq=False)
class Term:
    """What a class adds to one sum: zero if any of the factors is.

    Attributes:
      axis: the axis summed over.
      factors: for each operand which entries may be other than zero, with the summed axis first,
        and its axes along which something may be removed.
      fold: how constants could be replaced.
      sink: the sum.
    """

    axis: np.ndarray
    factors: list[tuple[np.ndarray, list[Axis]]]
    fold: Fold | None
    sink: Sink


class Search:
    """Finds what can be removed from a network.

    A class can go if at every sum over it each of its terms is zero, for all results of the sum
    that stay, or is a constant that a bias can take up. That is true of a union of sets for which
    it is true, so there is a greatest one; it is what is left of all classes after dropping those
    that violate it, again and again.

    Attributes:
      removed: for every atom that names a class whether it goes.
      kept: for channels that are constant but stay the reason, by class.
      revived: for axes of which everything could go, the class that is left.
    """

    def __init__(
        self,
        structure: Structure,
        facts: dict[int, Fact],
        parameters: Sequence[int],
        round_to: int = 1,
    ) -> None:
        self.structure, self.round_to = structure, round_to
        self.roots = structure.classes.find(np.arange(len(structure.classes)))
        self.removed = np.zeros(len(self.roots), bool)
        self.parameters = parameters
        for value in parameters:
            for axis in structure.axes[value]:
                if axis is not None:
                    self.removed[self.roots[axis]] = True
        self.removed[list(structure.classes.reasons())] = False
        self.kept: dict[int, str] = {}
        self.revived: set[int] = set()
        self.terms = [self._term(sink, facts) for sink in structure.sinks]

    def run(self) -> None:
        """Drops classes until none violates the condition, and no axis is left empty."""
        axes = list(self._axes(self.structure.axes))
        rounded = list(self._axes(self.parameters)) if self.round_to > 1 else []
        changed = True
        while changed:
            changed = sum(self._drop_needed(term) for term in self.terms) > 0
            if not changed:
                changed = sum(self._revive(axis) for axis in axes) > 0
            if not changed:
                changed = sum(self._round(axis) for axis in rounded) > 0

    def keep(self, axis: Axis) -> np.ndarray | None:
        """Which positions of an axis stay; ``None`` if all do."""
        if axis is None:
            return None
        gone = self.removed[self.roots[axis]]
        return ~gone if gone.any() else None

    def _axes(self, values: Iterable[int]) -> Iterable[np.ndarray]:
        """The different axes of some values that may lose positions."""
        seen = {}
        for value in values:
            for axis in self.structure.axes[value]:
                if axis is not None and self.removed[self.roots[axis]].any():
                    seen.setdefault(self.roots[axis].tobytes(), axis)
        return seen.values()

    def _term(self, sink: Sink, facts: dict[int, Fact]) -> Term:
        factors, summed = [], []
        for value, at, gone in zip(sink.equation.inputs, sink.axes, sink.summed, strict=False):
            axes = self.structure.axes[value]
            summed += [axes[at]] if axes[at] is not None else []
            # Whether one of two positions that are summed over stays does not excuse the other.
            free = [None if k in gone else axis for k, axis in enumerate(axes)]
            factors.append(self._factor(facts[value].live, free, at))
        fold = fold_of(self.structure, facts, sink, frozenset(self.parameters))
        return Term(summed[0], factors, fold, sink)

    def _factor(
        self, live: np.ndarray, axes: Sequence[Axis], at: int
    ) -> tuple[np.ndarray, list[Axis]]:
        """What may not be zero, of which axes that lose nothing are summed up once and for all."""
        some = [
            k
            for k, axis in enumerate(axes)
            if k != at and axis is not None and self.removed[self.roots[axis]].any()
        ]
        rest = tuple(k for k in range(live.ndim) if k not in (at, *some))
        live = np.any(live, axis=rest, keepdims=True).transpose(at, *some, *rest)
        return live.reshape(live.shape[: 1 + len(some)]), [axes[k] for k in some]

    def _drop_needed(self, term: Term) -> bool:
        """Keeps the classes that a sum needs; whether there were any."""
        needed = np.ones(len(term.axis), bool)
        for live, axes in term.factors:
            for k, axis in enumerate(axes, start=1):
                stays = ~self.removed[self.roots[axis]]
                shape = [1] * live.ndim
                shape[k] = len(stays)
                live = live & (stays.any() if live.shape[k] == 1 else stays.reshape(shape))
            needed &= live.reshape(len(live), -1).any(axis=1)
        if term.fold is not None and term.fold.bias is not None:
            needed &= ~term.fold.known
        back = needed & self.removed[self.roots[term.axis]]
        self.removed[self.roots[term.axis[back]]] = False
        if term.fold is not None:
            for atom in term.axis[back & term.fold.known].tolist():
                self.kept.setdefault(int(self.roots[atom]), term.fold.why_not)
        return bool(back.any())

    def _revive(self, axis: np.ndarray) -> bool:
        """Leaves one position of an axis of which none would be left."""
        classes = self.roots[axis]
        if not self.removed[classes].all():
            return False
        self.removed[classes[0]] = False
        self.revived.add(int(classes[0]))
        return True

    def _round(self, axis: np.ndarray) -> bool:
        """Takes back removals until what is left of an axis is a multiple, or all of it."""
        changed = False
        for name in self.roots[axis].tolist():
            left = int((~self.removed[self.roots[axis]]).sum())
            if left % self.round_to == 0 or left == len(axis):
                break
            if self.removed[name]:
                self.removed[name], changed = False, True
        return changed
