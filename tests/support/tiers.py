"""Cases for ``parametrize``, of which the first tier of the tests runs some."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


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
