"""Records: those kept with the benchmarks are read, and written again as they are."""

import json

import pytest
from support.documents import ROOT

from sgl_jax.runs.records import Record


RESULTS = ROOT / "benchmarks" / "results"

KEPT = {
    f"{name} {run['run']}": run["last"]
    for name in ("mnist", "mnist_channels")
    for run in json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["runs"]
}


@pytest.mark.parametrize("name", KEPT)
def test_kept_record_comes_back_as_it_is_but_for_keys_of_other_versions(name):
    record = Record.from_json(KEPT[name])
    written = json.loads(json.dumps(record.to_json()))
    assert written == {key: KEPT[name][key] for key in Record._fields if key in KEPT[name]}
    assert written.keys() >= set(Record._fields) - {"agreement", "budget"}
    assert record.sparsity.groups == KEPT[name]["sparsity"]["neurons"]
    assert record.w_sparsity.groups_paper == KEPT[name]["w_sparsity"]["neurons_paper"]
