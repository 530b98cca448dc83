"""The benchmark of compaction times the functions that do the work."""

import pytest
from support.dead import full_dict
from support.documents import ROOT

import sgl_jax as sgl


def test_benchmark_times_every_phase_of_compact(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from _phases import PHASES, time_phases

    apply, params, x = full_dict("float32")
    with time_phases() as seconds:
        small = sgl.compact(apply, params, x)
    assert small.params["b"].shape == (3, 3)
    assert all(seconds[phase] > 0 for phase in PHASES)
    assert sum(seconds[phase] for phase in (*PHASES, "rest")) == pytest.approx(seconds["all"])
