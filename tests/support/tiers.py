"""Cases of tests, of which the first tier runs some."""

import itertools
import zlib
from collections.abc import Callable, Collection, Iterable
from typing import Any

import pytest


TIERS = "not slow", "slow and not exhaustive"
"""The expressions of marks that select the first tier and the second."""

MANY = 4
"""Cases of a test from which on a tier leaves some to the next: the first every other one."""

VERY_MANY = 6
"""Cases from which on the first tier keeps every sixth."""


def thin(items: Iterable[pytest.Item]) -> None:
    """Marks cases of tests with many as slow, but for the tests of documents.

    Of tests with many slow cases all but an eighth of these are exhaustive, too. Which of some
    neighbours stays depends on the name of the test: so an entry of a catalogue meets some of the
    contracts in a tier, and a contract some of the entries.
    """
    every = [item for item in items if "documents" not in item.nodeid]
    first = [item for item in every if not item.get_closest_marker("slow")]
    _leave(first, "slow", lambda count: 6 if count >= VERY_MANY else 2)
    slow = [item for item in every if item.get_closest_marker("slow")]
    _leave(slow, "exhaustive", lambda count: min(8, count))


def _leave(items: Iterable[pytest.Item], mark: str, stride: Callable[[int], int]) -> None:
    """Marks cases of tests with many, but for one of every stride."""
    for test, group in itertools.groupby(items, lambda item: item.nodeid.partition("[")[0]):
        cases = list(group)
        step = stride(len(cases))
        kept = cases[zlib.crc32(test.encode()) % step :: step]
        for case in cases if len(cases) >= MANY else []:
            if case not in kept:
                case.add_marker(mark)


def usual(cases: Iterable[Any], chosen: Collection[Any], mark: str = "slow") -> list[Any]:
    """The cases, all but the chosen ones in the second tier, or of slow tests in the third."""
    later = getattr(pytest.mark, mark)
    return [case if case in chosen else pytest.param(case, marks=later) for case in cases]


def paired(
    many: Iterable[Any], few: Collection[Any], chosen: Collection[Any] | None = None
) -> list[Any]:
    """Every pair; in the first tier each of the many, or of the chosen, with one of the few."""

    def is_slow(one, number, turn):
        return turn != number % len(few) or (chosen is not None and one not in chosen)

    return [
        pytest.param(one, other, marks=[pytest.mark.slow] * is_slow(one, number, turn))
        for number, one in enumerate(many)
        for turn, other in enumerate(few)
    ]
