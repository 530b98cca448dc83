"""Numbers of channels chosen by measurement, with calls whose times the test prescribes."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sgl_jax as sgl
from sgl_jax._util.compilation import Compiled
from sgl_jax.compaction import _fastest
from sgl_jax.compaction._refusals import check_rounding


X = jnp.ones((2, 3))


def apply(params, x):
    x = jax.nn.relu(x @ params["w0"] + params["b0"][None])
    x = jax.nn.relu(x @ params["w1"] + params["b1"][None])
    return x @ params["w2"]


def network(alive=(5, 9), widths=(32, 32)):
    generator = np.random.default_rng(0)
    sizes = (3, *widths, 2)
    params = {}
    for k, (fed, made) in enumerate(itertools.pairwise(sizes)):
        kernel, bias = generator.uniform(0.1, 1, (fed, made)), generator.uniform(0.1, 1, made)
        if k < 2:
            kernel[:, alive[k] :], bias[alive[k] :] = 0, 0
            params[f"b{k}"] = jnp.asarray(bias, np.float32)
        params[f"w{k}"] = jnp.asarray(kernel, np.float32)
    return params


def widths_of(params):
    return params["b0"].size, params["b1"].size


@pytest.fixture
def prescribed(monkeypatch):
    """Prescribes the seconds of a call as a function of the widths; returns the networks timed."""

    def prescribe(seconds):
        timed = []

        def compile_quickest(function, params, *inputs):
            timed.append((widths_of(params), inputs))
            cost = float(seconds(*widths_of(params)))
            return Compiled(lambda *arguments: cost, "default", cost)

        def time_in_turn(calls):
            return {name: [call()] * 3 for name, call in calls.items()}

        monkeypatch.setattr(_fastest, "compile_quickest", compile_quickest)
        monkeypatch.setattr(_fastest, "time_in_turn", time_in_turn)
        return timed

    return prescribe


def dear_unless(multiple):
    return lambda n: n + (0 if n % multiple == 0 else 100)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (lambda a, b: a + b, (5, 9)),
        (lambda a, b: 1.0, (5, 9)),
        (lambda a, b: 1.0 - 0.02 * (a > 5), (5, 9)),
        (lambda a, b: dear_unless(8)(a) + dear_unless(8)(b), (8, 16)),
        (lambda a, b: dear_unless(16)(a) + dear_unless(4)(b), (16, 12)),
        (lambda a, b: a + dear_unless(8)(b), (5, 16)),
        (lambda a, b: 10 + 0.01 * a + dear_unless(8)(b), (5, 16)),
    ],
    ids=[
        "larger is slower",
        "all alike",
        "noise",
        "all of 8",
        "each its own",
        "one",
        "one or noise",
    ],
)
def test_quickest_widths_are_kept(seconds, expected, prescribed):
    prescribed(seconds)
    small = sgl.compact(apply, network(), X, round_to="fastest")
    assert widths_of(small.params) == expected
    np.testing.assert_allclose(small.apply(small.params, X), apply(network(), X), rtol=1e-5)


def test_report_says_what_was_timed(prescribed):
    timed = prescribed(lambda a, b: dear_unless(8)(a) + dear_unless(8)(b))
    report = sgl.compact(apply, network(), X, round_to="fastest").report
    assert report.timed[0] == "every channel that is left: 2.14e+05 ms (default)"
    assert report.timed[2] == "multiples of 8: 2.4e+04 ms (default)"
    assert report.timed[-1] == "kept: multiples of 8"
    assert len(report.timed) == len(timed) + 1
    assert "timed: kept: multiples of 8" in str(report)


def test_report_names_the_layers_that_are_rounded_apart(prescribed):
    prescribed(lambda a, b: dear_unless(16)(a) + dear_unless(4)(b))
    report = sgl.compact(apply, network(), X, round_to="fastest").report
    assert report.timed[-1] == "kept: multiples of 16 for b0, 4 for b1"


def test_every_network_is_timed_once_and_not_too_many(prescribed, monkeypatch):
    timed = prescribed(lambda a, b: a + b)
    sgl.compact(apply, network(), X, round_to="fastest")
    assert len({widths for widths, _ in timed}) == len(timed) <= 1 + _fastest.LIMIT
    monkeypatch.setattr(_fastest, "LIMIT", 2)
    timed.clear()
    sgl.compact(apply, network(), X, round_to="fastest")
    assert len(timed) == 3


def test_a_slower_network_is_never_kept_after_small_steps(prescribed):
    """Each step from 8 and 16 to fewer channels is within noise of the one before, both are not."""
    prescribed(lambda a, b: 0.99 if (a, b) == (5, 9) else 0.95 + 0.02 * (a == 5) + 0.02 * (b == 9))
    small = sgl.compact(apply, network(), X, round_to="fastest")
    assert widths_of(small.params) == (5, 9)


def test_network_without_dead_channels_is_timed_once(prescribed):
    timed = prescribed(lambda a, b: a + b)
    small = sgl.compact(apply, network((32, 32)), X, round_to="fastest")
    assert widths_of(small.params) == (32, 32)
    assert len(timed) == 1


def test_network_is_timed_with_the_inputs_asked_for(prescribed):
    timed = prescribed(lambda a, b: a + b)
    many = jnp.ones((7, 3))
    report = sgl.compact(apply, network(), X, round_to="fastest", timed=(many,)).report
    assert all(inputs[0] is many for _, inputs in timed)
    assert report.after.flops == sgl.compact(apply, network(), X).report.after.flops


def test_real_times_leave_the_answers_as_they_are():
    small = sgl.compact(apply, network(widths=(8, 12)), X, round_to="fastest")
    assert all(new >= old for new, old in zip(widths_of(small.params), (5, 9), strict=True))
    assert small.report.timed[-1].startswith("kept: ")


@pytest.mark.parametrize("round_to", [0, -4, 2.5, "quick", None])
def test_rounding_to_something_else_is_refused(round_to):
    words = 'a number of channels of at least 1 or "fastest", got'
    with pytest.raises(ValueError, match=words):
        check_rounding(round_to, (X,), None)
    if isinstance(round_to, int):
        with pytest.raises(ValueError, match=words):
            sgl.compact(apply, network(), X, round_to=round_to)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"timed": (X,)}, 'timed needs round_to="fastest", got 1'),
        ({"timed": (X, X), "round_to": "fastest"}, "like the example inputs, 1 of them, got tuple"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        sgl.compact(apply, network(), X, **options)
