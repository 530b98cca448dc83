"""Cases of tests, of which the first tier runs some."""

import itertools
import zlib
from collections.abc import Collection, Iterable
from typing import Any

import pytest


TIERS = "not slow", "slow and not exhaustive"
"""The expressions of marks that select the first tier and the second."""

MANY = 4
"""Cases of a test from which on a tier leaves every other one to the next."""


def thin(items: Iterable[pytest.Item]) -> None:
    """Marks every other case of tests with many as slow, but for the tests of documents.

    Of tests with many slow cases every other one of these is exhaustive, too. Which of two
    neighbours stays depends on the name of the test: so an entry of a catalogue meets half of the
    contracts in a tier, and a contract half of the entries.
    """
    every = [item for item in items if "documents" not in item.nodeid]
    _leave([item for item in every if not item.get_closest_marker("slow")], "slow")
    _leave([item for item in every if item.get_closest_marker("slow")], "exhaustive")


def _leave(items: Iterable[pytest.Item], mark: str) -> None:
    """Marks every other case of tests with many."""
    for test, group in itertools.groupby(items, lambda item: item.nodeid.partition("[")[0]):
        cases, start = list(group), zlib.crc32(test.encode()) % 2
        if len(cases) >= MANY:
            for case in cases[start::2]:
                case.add_marker(mark)


def usual(cases: Iterable[Any], chosen: Collection[Any]) -> list[Any]:
    """The cases, all but the chosen ones in the second tier."""
    slow = pytest.mark.slow
    return [case if case in chosen else pytest.param(case, marks=slow) for case in cases]


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
