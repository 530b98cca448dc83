"""Cases for ``parametrize``, of which the first tier of the tests runs some."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def usual(cases: Iterable[Any], chosen: Collection[Any]) -> list[Any]:
    """The cases, all but the chosen ones in the second tier."""
    slow = pytest.mark.slow
    return [case if case in chosen else pytest.param(case, marks=slow) for case in cases]


def paired(many: Iterable[Any], few: Collection[Any]) -> list[Any]:
    """Every pair; in the first tier every one of the many once, with the few in turn."""
    return [
        pytest.param(one, other, marks=[pytest.mark.slow] * (turn != number % len(few)))
        for number, one in enumerate(many)
        for turn, other in enumerate(few)
    ]
