"""The fewest arrays that have to stay are found by bisection, and named by a pattern."""

import itertools
import re

import pytest

from sgl_jax.compaction.flax._attempts import _pattern
from sgl_jax.compaction.flax._keeping import Unit, fewest


def units(counted=()):
    return [Unit((name,), name in counted) for name in "abcdefgh"]


@pytest.mark.parametrize("count", range(1, 4))
@pytest.mark.parametrize("counted", [(), "abc"])
def test_whatever_is_needed_is_found_and_no_more(count, counted):
    for needed in map(set, itertools.combinations(units(counted), count)):
        asked = []

        def works(kept, needed=needed, asked=asked):
            asked.append(kept)
            return needed <= set(kept)

        assert set(fewest(units(counted), works)) == needed
        assert len(asked) <= 2 + 2 * count * 4


def test_what_nothing_helps_is_nothing():
    assert fewest(units(), lambda kept: False) == []
    assert fewest([], lambda kept: True) == []


def test_a_pattern_finds_its_arrays_alone():
    paths = ["a/1/bias", "a/1/bias_scale", "b.c/kernel", "bxc/kernel", "c/kernel"]
    for wanted in (["a/1/bias"], ["b.c/kernel"], ["c/kernel", "a/1/bias_scale"]):
        pattern = _pattern([Unit((path,), False) for path in wanted], None, paths)
        assert {path for path in paths if re.search(pattern, path)} == set(wanted)
    assert _pattern([Unit(("b.c/kernel",), False)], "x", paths) == r"x|b\.c/kernel"
