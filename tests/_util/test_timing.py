"""Measurement by turns, and compiler options chosen by it, on a clock that the test moves."""

import jax
import jax.numpy as jnp
import pytest

from sgl_jax._util import compilation
from sgl_jax._util.compilation import DEFAULT, NO_YNNPACK, compile_quickest, option_sets
from sgl_jax._util.timing import is_quicker, time_in_turn
from sgl_jax.train import compiled


class Clock:
    """A clock that calls move on."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def taking(self, *seconds):
        """Makes a function whose calls take these seconds, over and over."""
        calls = []

        def call(*arguments):
            self.now += seconds[len(calls) % len(seconds)]
            calls.append(arguments)

        return call


def test_calls_take_turns():
    called = []
    calls = {name: lambda name=name: called.append(name) for name in "ab"}
    taken = time_in_turn(calls, rounds=5)
    assert called == ["a", "b"] * 6
    assert {name: len(seconds) for name, seconds in taken.items()} == {"a": 5, "b": 5}


def test_first_call_is_not_counted():
    clock = Clock()
    taken = time_in_turn({"a": clock.taking(9.0, 1.0, 2.0, 3.0)}, rounds=3, clock=clock)
    assert taken == {"a": [1.0, 2.0, 3.0]}


def test_slow_calls_have_three_rounds():
    clock = Clock()
    taken = time_in_turn({"slow": clock.taking(5.0)}, patience=1.0, clock=clock)
    assert taken == {"slow": [5.0] * 3}


@pytest.mark.parametrize(
    ("taken", "other", "expected"),
    [
        ([0.9, 0.9, 0.9], [1.0, 1.0, 1.0], True),
        ([0.98, 0.98, 0.98], [1.0, 1.0, 1.0], False),
        ([9.0, 1.8, 0.9], [10.0, 2.0, 0.5], True),
        ([0.1, 1.0, 2.0], [1.0, 1.0, 1.0], False),
    ],
)
def test_a_call_is_quicker_in_the_median_round_by_more_than_noise(taken, other, expected):
    assert is_quicker(taken, other) == expected


@pytest.mark.parametrize(("seconds", "chosen"), [(0.9, "other"), (0.98, DEFAULT), (2.0, DEFAULT)])
def test_options_other_than_the_default_have_to_be_quicker(seconds, chosen, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(compilation, "option_sets", lambda: {DEFAULT: {}, "other": {"a": "b"}})

    def jit(function, compiler_options):
        return clock.taking(seconds if compiler_options else 1.0)

    monkeypatch.setattr(jax, "jit", jit)
    found = compile_quickest(max, 1, 2, clock=clock)
    assert (found.options, found.seconds) == (chosen, pytest.approx(min(seconds, 1.0), abs=0.021))


def test_function_compiled_with_the_quickest_options_gives_its_results():
    found = compile_quickest(lambda x: 2 * x, jnp.arange(3.0), rounds=3)
    assert found.options in option_sets()
    assert found.call(jnp.ones(2)).tolist() == [2.0, 2.0]


def test_options_that_a_jaxlib_does_not_know_are_left_out(monkeypatch):
    monkeypatch.setattr(compilation, "OPTIONS", {"cpu": {NO_YNNPACK: {"xla_no_such_option": "1"}}})
    option_sets.cache_clear()
    try:
        assert list(option_sets()) == [DEFAULT]
        assert compiled(lambda x: x + 1)(1) == 2
    finally:
        option_sets.cache_clear()
