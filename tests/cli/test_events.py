"""Event files for TensorBoard: what is in them, read back, and when they cannot be written."""

import struct
import sys

import numpy as np
import pytest
from support.commands import TINY, assert_refused

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


def test_every_epoch_of_a_run_and_of_its_twin_is_there_once(typed, trained, tmp_path):
    words = ["train", *TINY, "--name", "shown", "--tensorboard"]
    run = tmp_path / "runs" / "shown"
    assert typed(*words)[::2] == (0, [])
    assert (run / "record.jsonl").read_bytes() == (trained / "record.jsonl").read_bytes()
    for again in (False, True):
        assert not again or typed(*words, "--resume")[::2] == (0, [])
        for folder in (run, run / "dense"):
            records = RunFolder(folder).read_records()
            assert read_points(folder) == points_of(records)
            assert [record.epoch for record in records] == [1, 2]


def test_the_tags_are_those_of_the_record(trained):
    record = RunFolder(trained).read_records()[-1]
    budget = {"epoch": 2, "factor": 1.0, "allowed": 0.5, "done": False, "measured": 0.4}
    found = list_points(record._replace(budget=budget))
    assert found["loss/train"] == record.loss
    assert found["error/sparse"] == record.sparse_error
    assert found["zeros/weights"] == record.sparsity.weights
    assert found["zeros_of_weights/groups_paper"] == record.w_sparsity.groups_paper
    assert found["live_groups/conv/kernel"] == record.layers["conv/kernel"].live
    assert found["kept_weights/fc/kernel"] == record.layers["fc/kernel"].kept
    assert (found["budget/measured"], found["budget/allowed"]) == (0.4, 0.5)


def test_a_run_that_goes_on_writes_its_points_anew(trained, tmp_path):
    first, second = RunFolder(trained).read_records()
    third = second._replace(epoch=3, loss=0.25)
    other = tmp_path / "tensorboard" / "notes.txt"
    for records in ([first, second], [first, second, third]):
        with open_events(tmp_path) as write:
            for record in records:
                write(record)
        assert read_points(tmp_path) == points_of(records)
    other.write_text("kept")
    with open_events(tmp_path) as write:
        write(first)
    assert other.read_text() == "kept"


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


def test_a_folder_that_cannot_be_written_is_refused(trained, tmp_path):
    (tmp_path / "tensorboard").write_text("a file")
    record = RunFolder(trained).read_records()[0]
    reason = "A run needs a folder that can be written"
    with open_events(tmp_path) as write, pytest.raises(OSError, match=reason):
        write(record)
