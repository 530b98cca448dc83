"""Storage of runs on levels: in results that outlive their folder, and in tables of many runs."""

import dataclasses
import json
import statistics

import numpy as np
import pytest
from support.levels import round_kernel
from support.records import SPARSE

from sgl_jax.cli._summaries import FORMATS
from sgl_jax.metrics import Storage
from sgl_jax.runs.config import Config
from sgl_jax.runs.costs import compact_network, make_predictor, measure_storage
from sgl_jax.runs.experiment import run
from sgl_jax.runs.results import Result
from sgl_jax.runs.sweeps import summarize
from sgl_jax.runs.sweeps._training import try_to_compact


CONFIG = Config(model="support.tiny:Tiny", epochs=1, batch_size=512, learning_rate=0.03, lam=2.0)
STORED = Storage(430_500, 1_724_320, 5_036, 4_432, 13_296, 49_000, 4_432, 5_243)


def result(storage, seed=0):
    config = dataclasses.asdict(Config(seed=seed))
    return Result(f"a/{seed}", "a", {"config": config}, 5.0, SPARSE, storage=storage)


@pytest.mark.parametrize("storage", [None, STORED, STORED._replace(kept_before=None)])
def test_storage_comes_back_from_json(storage):
    found = result(storage)
    assert Result.from_json(json.loads(json.dumps(found.to_json()))).storage == storage
    assert ("storage" in found.to_json()) == (storage is not None)


def test_rates_are_those_of_the_definitions():
    assert {name: round(rate) for name, rate in STORED.rates.items()} == {
        "weights, before compaction": 85,
        "weights": 97,
        "data of weights": 1036,
        "weights with indices": 281,
        "file": 329,
    }


def test_tables_of_runs_have_means_of_rates():
    sizes = [5_243, 2_600]
    runs = [result(STORED._replace(file_bytes=size), seed) for seed, size in enumerate(sizes)]
    (summary,) = summarize(runs)
    rates = [1_724_320 / size for size in sizes]
    assert summary.figures["file_rate"].mean == pytest.approx(statistics.mean(rates))
    for write in FORMATS.values():
        assert "3,922" in write([summary]) or "3921.5" in write([summary])
    assert "times" in FORMATS["tex"]([summary])
    (plain,) = summarize([result(None), runs[0]._replace(method="a")])
    assert "file_rate" not in plain.figures
    assert "file ×" not in FORMATS["md"]([plain])


def test_a_run_on_levels_has_a_storage_and_another_has_none(standard_promotion):
    found = run(CONFIG)
    assert try_to_compact(found)[1] is None
    for layer in found.state.params.values():
        layer["kernel"][...] = round_kernel(layer["kernel"][...])
    report, storage = try_to_compact(found)
    assert report is not None
    assert storage.levels == storage.kept == storage.kept_before > 0
    small = compact_network(found, bias_bits=4)
    fewer = measure_storage(make_predictor(found)[1], small.params)
    assert fewer.file_bytes < storage.file_bytes
    assert fewer._replace(file_bytes=0) == storage._replace(file_bytes=0)
    biases = np.concatenate([np.ravel(layer["bias"]) for layer in small.params[0].values()])
    assert len(np.unique(np.abs(biases))) <= 2 * 8
