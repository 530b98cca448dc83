"""The channels that can go: the greatest set whose removal changes nothing."""

import dataclasses
import functools
from collections.abc import Iterable, Sequence

import numpy as np

from sgl_jax.compaction._filling import find_fills
from sgl_jax.compaction._folding import Fold, fold_of
from sgl_jax.compaction.axes import Axis, Contraction, Fact, Grid, Structure
from sgl_jax.compaction.program import Equation


__all__ = ["Search"]


@dataclasses.dataclass(frozen=True, eq=False)
class Factor:
    """The entries of one operand of a contraction that may be other than zero, or than its fill.

    Attributes:
      live: True for these entries, along the summed axis first and then ``axes``; True if any entry
        along the other axes is.
      axes: the other axes along which positions may be removed.
    """

    live: np.ndarray
    axes: list[np.ndarray]


@dataclasses.dataclass(frozen=True, eq=False)
class Term:
    """The contribution of every position to one contraction: zero if any of its factors is.

    Attributes:
      axis: the axis summed over.
      factors: one for each operand.
      filled: True if what is removed is added to the sum; then no factor may differ from its fill.
      fold: how constants could be replaced.
      contraction: the sum.
    """

    axis: np.ndarray
    factors: list[Factor]
    filled: bool
    fold: Fold | None
    contraction: Contraction


class Search:
    """The search for the positions that can be removed from a network.

    A set of tied positions can go if at every sum over it each of its terms is zero, for all
    results of the sum that stay, or is a constant that a bias can take up. That is true of a union
    of sets for which it is true, so there is a greatest one; it is what is left of all sets after
    restoring those that violate it, again and again. Of a grid whole rows and columns go: what
    stays of its factors stays in all combinations.

    Attributes:
      removed: True for the roots of sets that are removed.
      axes: the different axes of parameters of which positions might go.
      multiples: for each of these the number of which a multiple is kept; all positions are where
        there is no smaller multiple.
      constant: the reasons why sets stay though they are constant, by root.
      restored: the reason why each set was restored, by root: a sentence, or the sum that needs it.
      revived: the roots that are left of axes of which everything could go.
    """

    def __init__(
        self,
        structure: Structure,
        facts: dict[int, Fact],
        parameters: Sequence[int],
        round_to: int | Sequence[int] = 1,
    ) -> None:
        self.structure = structure
        self.roots = structure.sets.roots()
        self.removed = np.zeros(len(self.roots), bool)
        self.parameters = parameters
        for value in parameters:
            for axis in structure.axes[value]:
                if axis is not None:
                    self.removed[self.roots[axis]] = True
        structure.sets.propagate(self._mark_removable)
        self.removed[list(structure.sets.reasons())] = False
        self.axes = list(self._shrinking(parameters))
        each = isinstance(round_to, Sequence)
        self.multiples = list(round_to) if each else [round_to] * len(self.axes)
        self.constant: dict[int, str] = {}
        self.restored: dict[int, str | Contraction] = {}
        self.revived: set[int] = set()
        self._fills = find_fills(structure)
        self.terms = [self._term(contraction, facts) for contraction in structure.contractions]
        self._filled: dict[Equation, list[Term]] = {}
        for term in self.terms:
            if term.filled:
                self._filled.setdefault(term.contraction.equation, []).append(term)

    def run(self) -> None:
        """Restores sets until none violates the condition, and no axis is left empty."""
        axes = list(self._shrinking(self.structure.axes))
        rounded = [pair for pair in zip(self.axes, self.multiples, strict=True) if pair[1] > 1]
        changed = True
        while changed:
            # A sum, not any(): every term has its turn.
            changed = sum(self._restore_needed(term) for term in self.terms) > 0
            if not changed:
                changed = self.structure.sets.propagate(self._restore_by)
            if not changed:
                changed = sum(self._separate(terms) for terms in self._filled.values()) > 0
            if not changed:
                changed = any(self._revive(axis) for axis in axes)
            if not changed:
                changed = sum(self._round(*pair) for pair in rounded) > 0

    def mask(self, axis: Axis) -> np.ndarray | None:
        """True for the positions of an axis that stay; ``None`` if all do."""
        return None if axis is None or not self._shrinks(axis) else self._stays(axis)

    def _stays(self, axis: np.ndarray) -> np.ndarray:
        return ~self.removed[self.roots[axis]]

    def _shrinks(self, axis: Axis) -> bool:
        return axis is not None and bool(self.removed[self.roots[axis]].any())

    def _shrinking(self, values: Iterable[int]) -> Iterable[np.ndarray]:
        """The different axes of some values that may lose positions."""
        seen = {}
        for value in values:
            for axis in self.structure.axes[value]:
                if axis is not None and self._shrinks(axis):
                    seen.setdefault(self.roots[axis].tobytes(), axis)
        return seen.values()

    def _term(self, contraction: Contraction, facts: dict[int, Fact]) -> Term:
        factors, summed = [], []
        fills = self._fills.get(contraction, ())
        operands = zip(
            contraction.equation.inputs, contraction.axes, contraction.summed, strict=False
        )
        for side, (value, at, all_summed) in enumerate(operands):
            axes = self.structure.axes[value]
            summed += [axes[at]] if axes[at] is not None else []
            # Of several axes that are summed over at once none counts as removed for another.
            free = [None if k in all_summed else axis for k, axis in enumerate(axes)]
            live = fills[side].live(facts) if fills else facts[value].live
            factors.append(self._factor(live, free, at))
        fold = fold_of(self.structure, facts, contraction, frozenset(self.parameters))
        if fills and fold is not None and fold.bias is not None:
            fold = None  # the sum itself has these terms, so no bias takes them up
        return Term(summed[0], factors, bool(fills), fold, contraction)

    def _factor(self, live: np.ndarray, axes: Sequence[Axis], at: int) -> Factor:
        """Reduces an operand to the summed axis and those that may lose positions."""
        shrinking = [k for k, axis in enumerate(axes) if k != at and self._shrinks(axis)]
        rest = tuple(k for k in range(live.ndim) if k not in (at, *shrinking))
        live = np.any(live, axis=rest, keepdims=True).transpose(at, *shrinking, *rest)
        live = live.reshape(live.shape[: 1 + len(shrinking)])
        return Factor(live, [np.asarray(axes[k]) for k in shrinking])

    def _restore_needed(self, term: Term) -> bool:
        """Restores the sets that a contraction needs; True if there were any."""
        reached = [self._reaches_what_stays(factor) for factor in term.factors]
        combine = np.logical_or if term.filled else np.logical_and
        needed = functools.reduce(combine, reached, np.full(len(term.axis), not term.filled))
        foldable = np.zeros(len(term.axis), bool) if term.fold is None else term.fold.known
        if term.fold is not None and term.fold.bias is not None:
            needed &= ~foldable
        restored = needed & ~self._stays(term.axis)
        for root in self.roots[term.axis[restored]].tolist():
            self._restore(root, term.contraction)
        if term.fold is not None:
            for root in self.roots[term.axis[restored & foldable]].tolist():
                self.constant.setdefault(root, term.fold.why_not)
        return bool(restored.any())

    def _reaches_what_stays(self, factor: Factor) -> np.ndarray:
        """True for the summed positions with a live entry at positions that stay elsewhere."""
        live = factor.live
        for k, axis in enumerate(factor.axes, start=1):
            stays = self._stays(axis)
            shape = [1] * live.ndim
            shape[k] = len(stays)
            live = live & (stays.any() if live.shape[k] == 1 else stays.reshape(shape))
        return np.asarray(live.reshape(len(live), -1).any(axis=1))

    def _mark_removable(self, grid: Grid) -> bool:
        """Takes a grid for removable that holds something removable; True if it was not."""
        held = self.roots[np.concatenate([grid.positions.reshape(-1), *grid.factors])]
        some, every = self.removed[held].any(), self.removed[held].all()
        self.removed[held] = some
        return bool(some and not every)

    def _restore_by(self, grid: Grid) -> bool:
        """Restores factors of positions that stay, and positions of factors that do."""
        stays = [factor[self._stays(rows).any(axis=1)] for factor, rows in grid.slices]
        factors = grid.combine([self._stays(factor) for factor in grid.factors]).all(axis=0)
        roots = self.roots[np.concatenate([*stays, grid.positions[factors]])]
        restored = roots[self.removed[roots]]
        for root in restored.tolist():
            self._restore(root, f"{grid.equation} can only lose whole rows and columns of it")
        return bool(restored.size)

    def _separate(self, terms: Sequence[Term]) -> bool:
        """Restores all but one of the axes of one sum to which removed positions contribute.

        Terms of one axis are made where all others stay, so those removed along two are missing.
        """
        restored = [term for term in terms if self._shrinks(term.axis)][1:]
        for term in restored:
            for root in self.roots[term.axis[~self._stays(term.axis)]].tolist():
                self._restore(root, term.contraction)
        return bool(restored)

    def _revive(self, axis: np.ndarray) -> bool:
        """Restores one position of an axis of which none would be left; True if it did."""
        roots = self.roots[axis]
        if not self.removed[roots].all():
            return False
        self._restore(int(roots[0]), "one channel is left")
        self.revived.add(int(roots[0]))
        return True

    def _round(self, axis: np.ndarray, multiple: int) -> bool:
        """Restores sets until what is left of an axis is a multiple, or all of it."""
        changed = False
        for root in self.roots[axis].tolist():
            left = int(self._stays(axis).sum())
            if left % multiple == 0 or left == len(axis):
                break
            if self.removed[root]:
                self._restore(root, f"a multiple of {multiple} is kept")
                changed = True
        return changed

    def _restore(self, root: int, why: str | Contraction) -> None:
        self.removed[root] = False
        self.restored.setdefault(root, why)
