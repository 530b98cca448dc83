"""Run folders: what is in them, how a run goes on from any moment, and what is refused."""

import dataclasses
import json
import os
import shutil

import jax
import jax.numpy as jnp
import pytest
from support.idx_files import assert_sentence
from support.tiny import bits, snapshot

from sgl_jax.runs import _checkpoint as checkpoint, folder as run_folder
from sgl_jax.runs.config import Config
from sgl_jax.runs.experiment import prepare
from sgl_jax.runs.folder import RunFolder
from sgl_jax.runs.records import Record


CONFIG = Config(model="support.tiny:Tiny", epochs=3, batch_size=512, learning_rate=0.03, lam=2.0)

FILES = {"config.json", "record.jsonl", "timing.jsonl", "checkpoints"}


class Stopped(Exception):
    """A run is interrupted."""


@pytest.fixture(scope="module")
def experiment(standard_promotion):
    return prepare(CONFIG)


@pytest.fixture(autouse=True)
def compiled_once(monkeypatch, experiment):
    """Gives every run the same compiled steps, and a start of its own."""
    monkeypatch.setattr(run_folder, "prepare", prepared(experiment))


def prepared(experiment):
    def found(config, placement):
        assert (config, placement) == (CONFIG, None)
        return experiment._replace(state=jax.tree.map(jnp.copy, experiment.state))

    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory, experiment):
    """An uninterrupted run, as its folder and what it reached."""
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_folder, "prepare", prepared(experiment))
        return folder, folder.train(CONFIG)


@pytest.fixture
def copied(whole, tmp_path):
    """A folder with that run that a test may change."""
    return RunFolder(shutil.copytree(whole[0].path, tmp_path / "copied"))


def lines(folder, name="record.jsonl"):
    return (folder.path / name).read_text().splitlines()


def assert_same_run(folder, whole):
    """Asserts the same records and state, bit for bit, and nothing else in the folder."""
    other, reached = whole
    assert lines(folder) == lines(other)
    assert len(lines(folder, "timing.jsonl")) == CONFIG.epochs
    state = folder.read_run(reached.experiment).state
    assert bits(state) == bits(other.read_run(reached.experiment).state) == bits(reached.state)
    assert {path.name for path in folder.path.iterdir()} == FILES
    assert [path.name for path in (folder.path / "checkpoints").iterdir()] == ["3"]


def test_config_says_what_was_trained_and_where(whole):
    found = json.loads((whole[0].path / "config.json").read_text())
    lists = {"bits": [], "milestones": [], "settings": []}
    assert found["config"] == {**dataclasses.asdict(CONFIG), **lists}
    strengths = {"lam": 2.0 / 1397, "group_lam": 2.0 / 1397, "beta": None}
    assert found["strengths"] == {**strengths, "divided_by": 1397}
    assert found["images"]["shape"] == [28, 28, 1]
    assert found["images"]["classes"] == 10
    assert found["versions"].keys() >= {"sgl-jax", "jax", "jaxlib", "optax", "flax", "numpy"}
    assert found["versions"]["jax"] == jax.__version__
    assert found["device"].startswith("cpu")
    assert found["cores"] >= 1
    assert all(found[name] for name in ("commit", "python", "processor"))
    assert whole[0].read_config() == CONFIG


def test_files_have_a_line_per_epoch(whole):
    folder, reached = whole
    records = [Record.from_json(json.loads(line)) for line in lines(folder)]
    assert records == reached.records == folder.read_records()
    assert [record.epoch for record in records] == [1, 2, 3]
    assert 0 < records[-1].sparsity.weights < 1
    timing = [json.loads(line) for line in lines(folder, "timing.jsonl")]
    assert [found["epoch"] for found in timing] == [1, 2, 3]
    assert all(found["seconds"] >= 0 for found in timing)
    assert_same_run(folder, whole)


def test_every_epoch_is_reported_those_done_before_included(whole, copied):
    before, reported = snapshot(copied.path), []
    reached = copied.train(CONFIG, "resume", reported.append)
    assert reported == reached.records == whole[1].records
    assert snapshot(copied.path) == before


def interrupt(monkeypatch, folder, place, epoch):
    """Begins a run that ends at a place of an epoch."""

    def stop(record):
        if place == "end" and record.epoch == epoch:
            raise Stopped

    def append(path, found):
        if path.name == place and found["epoch"] == epoch:
            raise Stopped
        runs_append(path, found)

    def save(path, done, state):
        if place == "checkpoint" and done == epoch:
            raise Stopped
        checkpoint_save(path, done, state)

    runs_append, checkpoint_save = run_folder.append_json, checkpoint.save
    with monkeypatch.context() as patch:
        patch.setattr(run_folder, "append_json", append)
        patch.setattr(checkpoint, "save", save)
        with pytest.raises(Stopped):
            folder.train(CONFIG, on_epoch=stop)


@pytest.mark.parametrize(
    ("place", "epoch", "done"),
    [
        ("record.jsonl", 1, 0),
        ("checkpoint", 1, 0),
        ("end", 1, 1),
        ("record.jsonl", 2, 1),
        ("timing.jsonl", 2, 1),
        ("checkpoint", 2, 1),
        ("end", 2, 2),
        ("end", 3, 3),
    ],
)
def test_an_interrupted_run_goes_on_as_if_it_had_not_been(
    tmp_path, monkeypatch, whole, place, epoch, done
):
    folder = RunFolder(tmp_path / "runs" / "run")
    interrupt(monkeypatch, folder, place, epoch)
    assert len(folder.read_records()) == done
    folder.train(CONFIG, "resume")
    assert_same_run(folder, whole)


@pytest.mark.parametrize("name", ["record.jsonl", "timing.jsonl"])
def test_lines_beyond_the_checkpoint_are_dropped(whole, copied, name):
    path = copied.path / name
    with path.open("a") as file:
        file.write(lines(copied, name)[-1].replace('"epoch": 3', '"epoch": 4') + '\n{"epoch": 5, "')
    assert copied.read_records() == whole[1].records
    assert copied.train(CONFIG, "resume").records == whole[1].records
    assert_same_run(copied, whole)


def test_lines_that_are_missing_are_an_error(copied):
    (copied.path / "record.jsonl").write_text(lines(copied)[0] + "\n")
    with pytest.raises(ValueError, match=r"record\.jsonl") as error:
        copied.train(CONFIG, "resume")
    assert_sentence(error, copied.path)


@pytest.mark.parametrize("given", [{}, {"lam": 2.0}, {"epochs": 3, "seed": 0}])
def test_resuming_takes_the_config_of_the_folder(copied, given):
    assert copied.resolve_config(given, "resume") == CONFIG


@pytest.mark.parametrize("given", [{"lam": 0.4}, {"lam": 2.0, "epochs": 30}, {"dense": True}])
def test_resuming_refuses_a_default_that_was_given_and_differs(copied, given):
    with pytest.raises(ValueError, match="the config it began with") as error:
        copied.resolve_config(given, "resume")
    name, value = list(given.items())[-1]
    assert_sentence(error, f"got {name}={value} where {copied.path} has")


def test_resuming_takes_the_data_of_this_machine(copied):
    path = copied.path / "config.json"
    path.write_text(path.read_text().replace('"data": "digits"', '"data": "mnist"'))
    found = copied.resolve_config({"data_root": "here", "download": True}, "resume")
    assert (found.data_root, found.download) == ("here", True)


def test_resuming_with_no_option_trains_the_config_of_the_folder(whole, copied):
    shutil.rmtree(copied.path / "checkpoints")
    config = copied.resolve_config({}, "resume")
    assert copied.train(config, "resume").experiment.config == CONFIG
    assert_same_run(copied, whole)


@pytest.mark.parametrize("there", [False, True], ids=["no folder", "empty folder"])
def test_resuming_starts_where_there_is_nothing(tmp_path, whole, there):
    folder = RunFolder(tmp_path / "run")
    if there:
        folder.path.mkdir()
    folder.train(CONFIG, "resume")
    assert_same_run(folder, whole)


def test_overwriting_starts_anew(whole, copied):
    (copied.path / "config.json").write_text("of no use")
    (copied.path / "record.jsonl").write_text("of no use")
    (copied.path / "dense").mkdir()
    copied.train(CONFIG, "overwrite")
    assert_same_run(copied, whole)


@pytest.mark.slow
@pytest.mark.parametrize("left", [".copied.part", ".copied.old"])
def test_what_an_interrupted_start_or_deletion_left_is_no_obstacle(whole, copied, left):
    os.replace(copied.path, copied.path.with_name(left))
    copied.train(CONFIG, "resume")
    assert_same_run(copied, whole)
    copied.train(CONFIG, "overwrite")
    assert [path.name for path in copied.path.parent.iterdir()] == ["copied"]


def test_a_run_without_an_epoch_has_no_state(tmp_path, experiment):
    with pytest.raises(FileNotFoundError, match="an epoch done") as error:
        RunFolder(tmp_path).read_run(experiment)
    assert_sentence(error, tmp_path, "--resume")
