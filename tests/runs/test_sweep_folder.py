"""Sweep folders: results of every run, from any interruption on, and what is refused."""

import json
import shutil

import pytest
from support.tiny import full_disk, snapshot

from sgl_jax.runs.folder import RunFolder
from sgl_jax.runs.results import Result
from sgl_jax.runs.sweeps import Failure, SweepFolder, make_sweep


COMMON = {
    "model": ["support.tiny:Tiny"],
    "epochs": [2],
    "batch_size": [512],
    "learning_rate": [0.03],
    "lam": [1.0, 2.0],
}
SWEEP = make_sweep({**COMMON, "seed": [0, 1]})


@pytest.fixture(scope="module")
def whole(tmp_path_factory, standard_promotion):
    """A sweep to its end: its folder and results."""
    folder = SweepFolder(tmp_path_factory.mktemp("sweeps") / "whole")
    return folder, list(folder.train(SWEEP, "new"))


@pytest.fixture
def copied(whole, tmp_path):
    return SweepFolder(shutil.copytree(whole[0].path, tmp_path / "copied"))


def forget_seconds(results):
    return [result._replace(seconds=0) for result in results]


def test_every_run_has_a_result(whole):
    folder, results = whole
    assert [result.run for result in results] == list(SWEEP.runs)
    for result in results:
        config = SWEEP.runs[result.run].config
        assert (result.config["lam"], result.config["seed"]) == (config.lam, config.seed)
        assert result.method == "prox_adam l1"
        assert result.last == folder.find_run(result.run).read_records()[-1]
        assert result.after.parameters <= result.before.parameters == 782
        assert all(result.about[name] for name in ("commit", "versions", "processor"))
    assert len({result.last.loss for result in results}) == 4
    assert forget_seconds(folder.read_results()) == forget_seconds(results)
    assert folder.read_sweep() == SWEEP


def test_results_come_back_from_json(whole):
    for result in forget_seconds(whole[1]):
        assert Result.from_json(json.loads(json.dumps(result.to_json()))) == result


def test_a_finished_sweep_goes_on_to_nothing_and_may_grow(whole, copied):
    before = snapshot(copied.path)
    again = list(copied.train(SWEEP, "resume"))
    assert forget_seconds(again) == forget_seconds(whole[1])
    assert snapshot(copied.path) == before
    more = make_sweep({**COMMON, "seed": [0, 1, 2]})
    found = list(copied.train(more, "resume"))
    assert {result.run for result in found} == set(more.runs)
    assert copied.read_sweep() == more


@pytest.mark.parametrize("left", ["between", "within", "unwritten"])
def test_an_interrupted_sweep_goes_on_to_the_same_results(whole, copied, left):
    path, (*_, last) = copied.path / "results.jsonl", SWEEP.runs
    lines = path.read_text().splitlines(keepends=True)
    if left == "between":
        path.write_text("".join(lines[:-1]))
        shutil.rmtree(copied.find_run(last).path)
    elif left == "within":  # the record of the last run was cut in its middle
        path.write_text("".join([*lines[:-1], lines[-1][:100]]))
    else:
        path.unlink()
    assert forget_seconds(copied.train(SWEEP, "resume")) == forget_seconds(whole[1])
    assert len(path.read_text().splitlines()) == len(SWEEP.runs)


def test_other_runs_than_it_began_with_are_refused(copied):
    before = snapshot(copied.path)
    with pytest.raises(ValueError, match="needs all runs that it began with, got none like"):
        list(copied.train(make_sweep({**COMMON, "seed": [0]}), "resume"))
    with pytest.raises(FileExistsError, match="add --resume to go on with it"):
        list(copied.train(SWEEP, "new"))
    assert snapshot(copied.path) == before


def test_a_folder_that_holds_something_else_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="needs a folder of its own"):
        list(SweepFolder(tmp_path).train(SWEEP, "overwrite"))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(("content", "words"), [(None, "got none in"), ("{", "as `sgl-jax sweep`")])
def test_a_list_of_runs_that_cannot_be_read_is_refused(copied, content, words):
    path = copied.path / "sweep.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises((FileNotFoundError, ValueError), match=words):
        copied.read_sweep()


def test_parts_that_do_not_fit_are_refused_before_anything_is_written(tmp_path):
    folder = SweepFolder(tmp_path / "new")
    bad = make_sweep({**COMMON, "algorithm": ["prox_adam", "magnitude"]})
    with pytest.raises(ValueError, match=r"needs a .*TopK.*\(In the sweep: grid/.*magnitude"):
        list(folder.train(bad, "new"))
    assert not folder.path.exists()


def test_a_run_that_diverges_is_passed_over_and_tried_again(copied, whole, monkeypatch):
    first, *others = SWEEP.runs
    (copied.path / "results.jsonl").unlink()

    def diverge(folder, *arguments, **options):
        if folder == copied.find_run(first):
            raise FloatingPointError("Training needs a finite loss, got nan.")
        return train(folder, *arguments, **options)

    train = RunFolder.train
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "train", diverge)
        failed, *results = copied.train(SWEEP, "resume")
    assert isinstance(failed, Failure)
    assert failed.run == first
    assert [result.run for result in results] == others
    again = {result.run: result for result in forget_seconds(copied.train(SWEEP, "resume"))}
    assert [again[name] for name in SWEEP.runs] == forget_seconds(whole[1])


def test_a_full_disk_keeps_what_is_done(copied, whole):
    path, (*_, last) = copied.path / "results.jsonl", SWEEP.runs
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    shutil.rmtree(copied.find_run(last).path)
    with full_disk(), pytest.raises(OSError, match="goes on with --resume"):
        list(copied.train(SWEEP, "resume"))
    assert forget_seconds(copied.train(SWEEP, "resume")) == forget_seconds(whole[1])
