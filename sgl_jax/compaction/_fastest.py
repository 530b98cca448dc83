"""Chooses the number of channels by measurement: what is left of a layer, or a multiple above."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from sgl_jax._util.compilation import compile_quickest
from sgl_jax._util.timing import is_quicker, time_in_turn
from sgl_jax._util.typing import Params, Path
from sgl_jax.compaction._plan import Plan
from sgl_jax.compaction._search import Search


__all__ = ["LIMIT", "MULTIPLES", "Candidate", "find_fastest"]

MULTIPLES = (4, 8, 16)
"""Multiples that are tried, for all layers and for single ones."""

LIMIT = 16
"""Networks that are compiled and timed at most, beside the one without rounding."""


class Candidate(NamedTuple):
    """A narrow network.

    Attributes:
      plan: the positions that stay of every leaf.
      folded: leaves that took up constants.
      params: the narrow parameters.
      apply: the network as a function of them.
    """

    plan: Plan
    folded: tuple[Path, ...]
    params: Params
    apply: Callable[..., Any]

    @property
    def size(self) -> int:
        """Entries of the narrow parameters."""
        return sum(int(np.prod(leaf.narrow_shape)) for _, leaf in self.plan.leaves)


Searched: TypeAlias = Callable[[int | Sequence[int]], Search]
"""Searches the positions that can go, with one multiple for all axes or one for each."""


def find_fastest(
    searched: Searched,
    narrowed_by: Callable[[Search], Candidate],
    name: Callable[[np.ndarray], str],
    inputs: Sequence[Any],
) -> tuple[Search, tuple[str, ...]]:
    """Finds multiples of channels with which a network is quickest on this device.

    The same multiple for all layers is tried first, then others for one layer after the other. A
    network replaces a smaller one only if it is quicker by more than noise, in rounds in which the
    two take turns; in the end the network without rounding is compared once more.

    Args:
      searched: finds the positions that can go.
      narrowed_by: makes the network without them.
      name: names an axis.
      inputs: the inputs to time it with.

    Returns:
      The search whose network is quickest, and what was timed, a line each.
    """
    race = _Race(narrowed_by, inputs)
    plain = race.enter(searched(1), "every channel that is left")
    axes = plain.search.axes
    names = {k: name(x) for k, x in enumerate(axes) if plain.search.mask(x) is not None}
    best = plain
    for multiple in MULTIPLES if names else ():
        best = race.challenge(best, searched(multiple), f"multiples of {multiple}")
    for k in names:
        for multiple in (1, *MULTIPLES):
            multiples = [*best.search.multiples[:k], multiple, *best.search.multiples[k + 1 :]]
            chosen = [f"{multiples[j]} for {names[j]}" for j in names if multiples[j] > 1]
            words = f"multiples of {', '.join(chosen)}"
            best = race.challenge(best, searched(multiples), words)
    best = race.decide(best, plain)
    return best.search, (*race.notes, f"kept: {best.words}")


class _Entry(NamedTuple):
    """A network that takes part.

    Attributes:
      search: the search that it comes from.
      size: its parameters.
      words: its multiples.
      call: a call of the compiled network.
    """

    search: Search
    size: int
    words: str
    call: Callable[[], Any]


class _Race:
    """Networks that are compiled and timed, each once.

    Attributes:
      notes: names and medians, a line each.
    """

    def __init__(self, narrowed_by: Callable[[Search], Candidate], inputs: Sequence[Any]) -> None:
        self._narrowed_by, self._inputs = narrowed_by, inputs
        self._seen: set[Plan] = set()
        self.notes: list[str] = []

    def enter(self, search: Search, words: str) -> _Entry:
        """Compiles the network of a search."""
        found = self._narrowed_by(search)
        self._seen.add(found.plan)
        compiled = compile_quickest(found.apply, found.params, *self._inputs)
        self.notes.append(f"{words}: {1e3 * compiled.seconds:.3g} ms ({compiled.options})")
        call = lambda: compiled.call(found.params, *self._inputs)  # noqa: E731
        return _Entry(search, found.size, words, call)

    def challenge(self, best: _Entry, search: Search, words: str) -> _Entry:
        """Returns the better of two networks; the best so far if the other has taken part."""
        if len(self._seen) > LIMIT or self._narrowed_by(search).plan in self._seen:
            return best
        return self.decide(best, self.enter(search, words))

    def decide(self, one: _Entry, other: _Entry) -> _Entry:
        """Returns the smaller network, unless the larger is quicker by more than noise."""
        small, large = sorted((one, other), key=lambda entry: entry.size)
        taken = time_in_turn({"small": small.call, "large": large.call})
        return large if is_quicker(taken["large"], taken["small"]) else small
