"""Event files for TensorBoard: what is in them, read back, and when they cannot be written."""

import struct
import sys

import numpy as np
import pytest
from support.commands import TINY, assert_refused
from support.records import SPLIT

from sgl_jax.cli._events import list_points, open_events
from sgl_jax.runs.folder import RunFolder


def read_points(run):
    """Reads the event files of a run, of which one has events: epochs and values by tag."""
    from tensorboardX.proto.event_pb2 import Event

    (path,) = (path for path in (run / "tensorboard").iterdir() if path.stat().st_size)
    content, place, events = path.read_bytes(), 0, []
    while place < len(content):
        (size,) = struct.unpack_from("<Q", content, place)
        events.append(Event.FromString(content[place + 12 : place + 12 + size]))
        place += 12 + size + 4
    assert events[0].file_version == "brain.Event:2"
    points = {}
    for event in events:
        for value in event.summary.value:
            points.setdefault(value.tag, []).append((event.step, value.simple_value))
    return points


def points_of(records):
    """What an event file has to hold of records, in its single precision."""
    points = {}
    for record in records:
        for tag, value in list_points(record).items():
            points.setdefault(tag, []).append((record.epoch, float(np.float32(value))))
    return points


@pytest.mark.slow
def test_every_epoch_of_a_run_and_of_its_twin_is_there_once(typed, tmp_path):
    words = ["train", *TINY, "--name", "shown", "--tensorboard", "--resume"]
    run = tmp_path / "runs" / "shown"
    for _ in range(2):
        assert typed(*words)[::2] == (0, [])
        for folder in (run, run / "dense"):
            records = RunFolder(folder).read_records()
            assert read_points(folder) == points_of(records)
            assert [record.epoch for record in records] == [1, 2]


def test_the_tags_are_those_of_the_record():
    budget = {"epoch": 2, "factor": 1.0, "allowed": 0.5, "done": False, "measured": 0.4}
    assert list_points(SPLIT._replace(budget=budget)) == {
        "loss/train": 0.25,
        "loss/test": 0.04,
        "error/weights": 0.02,
        "error/sparse": 0.0325,
        "gap": 0.125,
        "zeros/weights": 0.875,
        "zeros/groups": 0.25,
        "zeros/weights_paper": 0.875,
        "zeros/groups_paper": 0.25,
        "zeros_of_weights/weights": 0.0,
        "zeros_of_weights/groups": 0.0,
        "zeros_of_weights/weights_paper": 0.625,
        "zeros_of_weights/groups_paper": 0.375,
        "live_groups/conv1/kernel": 9,
        "live_groups/fc1/kernel": 567,
        "kept_weights/conv1/kernel": 125,
        "kept_weights/fc1/kernel": 1_234,
        "budget/measured": 0.4,
        "budget/allowed": 0.5,
    }


def test_a_run_that_goes_on_writes_its_points_anew(tmp_path):
    records = [SPLIT._replace(epoch=epoch, loss=1 / epoch) for epoch in (1, 2, 3)]
    for count in (2, 3):
        with open_events(tmp_path) as write:
            for record in records[:count]:
                write(record)
        assert read_points(tmp_path) == points_of(records[:count])


def test_other_files_of_the_folder_stay(tmp_path):
    notes = tmp_path / "tensorboard" / "notes.txt"
    notes.parent.mkdir()
    notes.write_text("kept")
    with open_events(tmp_path) as write:
        write(SPLIT)
    assert notes.read_text() == "kept"


@pytest.mark.slow
def test_every_stage_of_a_recipe_has_its_own(typed, tmp_path):
    words = [*TINY, "--recipe", "retrain", "--no-twin", "--tensorboard"]
    status, _, err = typed("train", *words, "--name", "staged")
    assert (status, err) == (0, [])
    stages = sorted(path.parent for path in (tmp_path / "runs" / "staged").glob("*/record.jsonl"))
    assert len(stages) == 2
    for stage in stages:
        assert read_points(stage) == points_of(RunFolder(stage).read_records())


def test_a_missing_package_is_named_before_anything_is_written(typed, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    found = typed("train", *TINY, "--tensorboard")
    assert_refused(found, "Event files need tensorboardX", "pip install 'sgl-jax[tensorboard]'")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "tensorboard").write_text("a file")
    reason = "A run needs a folder that can be written"
    with open_events(tmp_path) as write, pytest.raises(OSError, match=reason):
        write(SPLIT)
