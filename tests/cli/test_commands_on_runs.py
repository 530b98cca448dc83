"""Commands on a run that is there: resumed, compacted, kept, and refused in a sentence."""

import json
import shutil
import signal

import jax
import pytest
from support.commands import TINY, assert_refused, errors_of, table
from support.tiny import snapshot

import sgl_jax as sgl
from sgl_jax.runs.experiment import prepare
from sgl_jax.runs.folder import RunFolder


@pytest.mark.slow
def test_resuming_a_finished_run_prints_the_same_table(typed, copied):
    before = {name: file for name, file in snapshot(copied).items() if "figure" not in name}
    first = typed("train", "--runs", "runs", "--name", "whole", "--resume")
    again = typed("train", *TINY, "--runs", "runs", "--name", "whole", "--resume")
    assert first[::2] == again[::2] == (0, [])
    assert table(first[1]) == table(again[1]) != []
    assert snapshot(copied).items() >= before.items()


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(
    ("number", "status"),
    [pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow), (signal.SIGTERM, 143)],
)
def test_a_signal_ends_a_training_after_what_it_writes(
    typed, trained, tmp_path, monkeypatch, number, status
):
    """The signal comes with the first line of the record, before its checkpoint."""
    append = RunFolder._append

    def interrupted(folder, *lines):
        append(folder, *lines)
        signal.raise_signal(number)

    where = ("--runs", tmp_path / "runs", "--name", "stopped")
    monkeypatch.setattr(RunFolder, "_append", interrupted)
    how = f"go on with `sgl-jax train --runs {tmp_path}/runs --name stopped --resume`"
    found = typed("train", *TINY, *where, "--no-twin")
    assert found[::2] == (status, [f"interrupted: {how}"])
    stopped = tmp_path / "runs" / "stopped"
    assert len(RunFolder(stopped).read_records()) == 1
    monkeypatch.setattr(RunFolder, "_append", append)
    assert typed("train", *where, "--resume", "--no-twin")[::2] == (0, [])
    assert (stopped / "record.jsonl").read_bytes() == (trained / "record.jsonl").read_bytes()


def test_compacting_writes_a_folder_and_exports(typed, copied):
    before = snapshot(copied)
    status, out, err = typed("compact", copied, "--export", "stablehlo", "safetensors")
    assert (status, err) == (0, [])
    text, after = "\n".join(out), snapshot(copied)
    files = [str(copied / f"compact/network.{name}") for name in ("stablehlo", "safetensors")]
    assert out[-2:] == files
    assert set(after) - set(before) >= set(files)
    changed = {name for name in before if after.get(name) != before[name]}
    assert all(name.startswith(str(copied / "compact")) for name in changed)
    for part in ("largest difference", " compact ┃", "latency, batch 256"):
        assert part in text
    ((error, same),) = errors_of(out)
    assert error == same == f"{RunFolder(copied).read_records()[-1].sparse_error:.2%}"


def test_a_compacted_network_of_a_run_is_an_ordinary_one(copied):
    experiment = prepare(RunFolder(copied).read_config())
    state = experiment.state
    small = sgl.load_compact(
        copied / "compact", experiment.network.apply, (state.params, state.rest)
    )
    images = jax.numpy.ones((3, 28, 28, 1))
    assert small.apply(small.params, images).shape == (3, 10)


def test_a_network_that_cannot_be_compacted_ends_a_run_in_a_sentence(typed, copied, monkeypatch):
    def refuse(*args):
        raise ValueError("compact needs finite arrays, got [here].")

    monkeypatch.setattr("sgl_jax.runs.costs.compact", refuse)
    shutil.rmtree(copied / "compact")
    (copied / "figure.png").unlink()
    status, out, err = typed("train", "--runs", "runs", "--name", "whole", "--resume")
    assert (status, err) == (0, [])
    assert "The network keeps its dead channels: compact needs finite arrays, got [here]." in out
    assert (copied / "figure.png").exists()
    assert not (copied / "compact").exists()
    status, _, err = typed("compact", copied)
    assert (status, err) == (2, ["error: compact needs finite arrays, got [here]."])


def test_a_run_that_is_not_finished_is_not_compacted(typed, copied):
    path = copied / "config.json"
    path.write_text(path.read_text().replace('"epochs": 2', '"epochs": 3'))
    shutil.rmtree(copied / "compact")
    assert_refused(typed("compact", copied), "got epoch 2 of 3", copied, "--resume")
    shutil.rmtree(copied / "checkpoints")
    assert_refused(typed("compact", copied), "an epoch done, got none", copied)
    assert not (copied / "compact").exists()


def test_a_damaged_compaction_is_said_in_one_line_and_made_anew(typed, copied):
    (copied / "compact" / "plan.json").write_text("{")
    status, _, err = typed("evaluate", copied)
    assert status == 2
    assert "A compacted network needs its description to be whole" in err[0]
    assert typed("compact", copied)[::2] == (0, [])
    assert typed("evaluate", copied)[::2] == (0, [])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("", "add --resume to go on with it, --overwrite to delete it, or another --name."),
        ("--resume --epochs 5", "got epochs=5 where runs/whole has 2"),
        ("--overwrite --penalty scadd", "did you mean scad?"),
    ],
)
def test_a_run_that_is_there_stays_as_it_is(typed, copied, options, said):
    before = snapshot(copied)
    argv = ("train", *TINY, "--runs", "runs", "--name", "whole")
    assert_refused(typed(*argv, *options.split()), said)
    assert snapshot(copied) == before


def test_a_checkpoint_of_another_network_is_said_in_one_line(typed, copied):
    path = copied / "config.json"
    found = json.loads(path.read_text())
    found["config"]["model"] = "support.tiny:Wider"
    path.write_text(json.dumps(found))
    assert_refused(
        typed("evaluate", copied),
        "float32[3] at 'opt_state/direction/mu/conv",
        "of this network and optimizer",
    )
