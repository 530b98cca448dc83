"""Costs of networks: measured in turn, kept with the run, and not measured again."""

import json
import shutil

import numpy as np
import pytest
from support.tiny import snapshot

import sgl_jax as sgl
from sgl_jax._util.compilation import option_sets
from sgl_jax.compaction.artifacts import EXPORTERS
from sgl_jax.runs import costs
from sgl_jax.runs.compaction import compact_run, is_compacted
from sgl_jax.runs.config import Config
from sgl_jax.runs.costs import compact_network, measure_costs
from sgl_jax.runs.experiment import run
from sgl_jax.runs.folder import RunFolder


CONFIG = Config(model="support.tiny:Tiny", epochs=1, batch_size=512, learning_rate=0.03, lam=2.0)


@pytest.fixture(scope="module")
def reached(standard_promotion):
    """A run in which one of the two filters is dead."""
    found = run(CONFIG)
    params = found.state.params
    for leaf in (params["conv"]["kernel"], params["conv"]["bias"]):
        leaf[...] = leaf[...].at[..., 0].set(0)
    return found


@pytest.fixture(scope="module")
def dense(standard_promotion):
    return run(CONFIG.twin())


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "run").mkdir()
    return RunFolder(tmp_path / "run")


@pytest.mark.slow
def test_costs_of_runs_side_by_side(reached, dense):
    found = measure_costs(dense, {"sparse": reached})
    assert set(found) == {"dense", "sparse"}
    assert found["dense"].error == dense.records[-1].error
    assert found["dense"].size == compact_network(reached).report.before
    assert found["dense"].size.parameters == 5 * 5 * 2 + 2 + 72 * 10 + 10
    assert found["sparse"].size.parameters == 5 * 5 + 1 + 36 * 10 + 10
    assert found["sparse"].size.flops * 2 == found["dense"].size.flops
    for cost in found.values():
        assert set(cost.seconds) == set(costs.BATCHES)
        assert all(seconds > 0 for seconds in cost.seconds.values())
        assert set(cost.options) == set(costs.BATCHES)
        assert set(cost.options.values()) <= set(option_sets())


def test_a_compacted_run_is_read_and_not_made_again(folder, reached, monkeypatch):
    assert not is_compacted(folder)
    first = compact_run(folder, reached)
    assert is_compacted(folder)
    before = snapshot(folder.path)
    assert first.full.error == first.compact.error
    assert first.compact.size == first.report.after != first.full.size

    def never(*args):
        raise AssertionError

    monkeypatch.setattr("sgl_jax.runs.compaction.save_compact", never)
    monkeypatch.setattr("sgl_jax.runs.compaction.measure_latencies", never)
    assert compact_run(folder, reached) == first
    assert snapshot(folder.path) == before


def test_what_an_interruption_left_out_is_made_up_for(folder, reached, monkeypatch):
    def stopped(*args):
        raise KeyboardInterrupt

    for place in ("save_compact", "export", "measure_latencies"):
        with monkeypatch.context() as patch:
            patch.setattr(f"sgl_jax.runs.compaction.{place}", stopped)
            with pytest.raises(KeyboardInterrupt):
                compact_run(folder, reached, ["safetensors"])
        assert is_compacted(folder) == (place == "measure_latencies")
    compact_run(folder, reached, ["safetensors"])
    names = {path.name for path in (folder.path / "compact").iterdir()}
    assert names == {"params", "plan.json", "timing.json", "network.safetensors"}


def test_an_export_that_fails_leaves_those_that_are_there(folder, reached, monkeypatch):
    compact_run(folder, reached, ["safetensors"])
    before = snapshot(folder.path)

    def refused(*args):
        raise ValueError("An export to ONNX needs operations that ONNX has.")

    monkeypatch.setattr("sgl_jax.runs.compaction.export", refused)
    with pytest.raises(ValueError, match="needs operations"):
        compact_run(folder, reached, ["onnx"], anew=True)
    assert snapshot(folder.path) == before


def test_compacting_anew_measures_anew_and_drops_exports(folder, reached):
    compact_run(folder, reached, ["safetensors"])
    timing = folder.path / "compact" / "timing.json"
    timing.write_text(json.dumps({"seconds": {"full": {"1": 5.0}, "compact": {"1": 5.0}}}))
    assert compact_run(folder, reached).full.seconds == {1: 5.0}, "without options, as once written"
    assert compact_run(folder, reached, anew=True).full.seconds[1] < 5.0
    assert not (timing.parent / "network.safetensors").exists()


def test_record_of_latencies_says_the_options(folder, reached):
    found = compact_run(folder, reached)
    timing = json.loads((folder.path / "compact" / "timing.json").read_text())
    assert timing["seconds"]["compact"] == {str(b): s for b, s in found.compact.seconds.items()}
    assert timing["options"]["full"] == {str(b): name for b, name in found.full.options.items()}


def test_fastest_rounding_is_timed_with_the_largest_batch(reached, monkeypatch):
    asked = {}

    def compact(apply, params, *inputs, **options):
        asked.update(options, inputs=inputs)
        return sgl.compact(apply, params, *inputs)

    monkeypatch.setattr(costs, "compact", compact)
    compact_network(reached, fastest=True)
    assert asked["round_to"] == "fastest"
    assert (len(asked["inputs"][0]), len(asked["timed"][0])) == (1, max(costs.BATCHES))


def test_a_folder_that_cannot_be_written_is_said(folder, reached):
    shutil.rmtree(folder.path)
    folder.path.write_text("a file")
    with pytest.raises(OSError, match="A compacted network needs a disk that can be written"):
        compact_run(folder, reached)


def test_formats_of_the_command_are_those_of_the_catalogue():
    from typing import get_args

    from sgl_jax.cli._commands import Format

    assert list(get_args(Format)) == list(EXPORTERS)


def test_images_begin_anew_where_there_are_too_few(reached):
    data = reached.experiment.data
    few = data._replace(x_test=data.x_test[:3], y_test=data.y_test[:3])
    found = np.asarray(costs.take_images(few, 5))
    np.testing.assert_array_equal(found[3:], found[:2])
    np.testing.assert_allclose(found[0], data.x_test[0] / 255, rtol=1e-6)
