"""Runs in processes of their own: interrupted at any moment, they end as if they had not been."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from support.compiler import faster_environment
from support.tiers import usual
from support.tiny import bits

from sgl_jax.runs.experiment import prepare
from sgl_jax.runs.folder import RunFolder


pytestmark = pytest.mark.usefixtures("interruptible")

HERE = Path(__file__).parents[1]

EPOCHS = 16

OPTIONS = ["--model", "support.tiny:Tiny", "--epochs", EPOCHS]
OPTIONS += ["--batch-size", 512, "--learning-rate", 0.02]

STATUSES = {signal.SIGINT: 130, signal.SIGTERM: 143}
"""Of a process that such a signal ended."""

LONGEST = 300.0
"""Seconds after which a process is taken to hang."""


class Uninterrupted(NamedTuple):
    """A run to compare with, and how long it took, to its first epoch and to its end."""

    path: Path
    first: float
    whole: float


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    path, began = tmp_path_factory.mktemp("runs") / "whole", time.monotonic()
    process = started(path)
    wait_for(process, path, 1)
    first = time.monotonic() - began
    assert finished(process) == (0, "")
    return Uninterrupted(path, first, time.monotonic() - began)


def started(path, *options):
    """Starts a process that trains the folder."""
    argv = ["train", *OPTIONS, "--no-twin", "--runs", path.parent, "--name", path.name, *options]
    paths = os.pathsep.join(map(str, (HERE.parent, HERE)))
    return subprocess.Popen(
        [sys.executable, "-m", "sgl_jax", *map(str, argv)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **faster_environment(), "PYTHONPATH": paths, "JAX_PLATFORMS": "cpu"},
    )


def finished(process):
    """Waits for a process; returns its exit status and its errors."""
    with process:
        try:
            _, said = process.communicate(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return process.returncode, said


def epochs_done(path):
    record = path / "record.jsonl"
    return record.read_bytes().count(b"\n") if record.exists() else 0


def wait_for(process, path, epochs, longest=LONGEST):
    """Waits until so many epochs are done, or the process has ended, at longest some seconds."""
    until = time.monotonic() + longest
    while process.poll() is None and epochs_done(path) < epochs and time.monotonic() < until:
        time.sleep(0.005)


def resumed(path):
    """Resumes a run to its end."""
    assert finished(started(path, "--resume")) == (0, "")


def assert_same_run(path, other):
    """Asserts the same records and the same state, bit for bit, and nothing left over."""
    assert (path / "record.jsonl").read_bytes() == (other / "record.jsonl").read_bytes()
    folders = RunFolder(path), RunFolder(other)
    experiment = prepare(folders[0].read_config())
    mine, theirs = (bits(folder.read_run(experiment).state) for folder in folders)
    assert mine == theirs
    names = [sorted(str(each.relative_to(f)) for each in f.glob("*")) for f in (path, other)]
    assert names[0] == names[1]
    assert os.listdir(path / "checkpoints") == [str(EPOCHS)]
    timing = (path / "timing.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in timing] == list(range(1, EPOCHS + 1))


@pytest.mark.slow
@pytest.mark.parametrize("number", usual(STATUSES, [signal.SIGINT], "exhaustive"))
def test_a_signal_ends_a_run_with_a_word_on_how_to_go_on(tmp_path, uninterrupted, number):
    path = tmp_path / "runs" / "stopped"
    process = started(path)
    wait_for(process, path, 2)
    process.send_signal(number)
    hint = f"`sgl-jax train --runs {path.parent} --name stopped --resume`"
    assert finished(process) == (STATUSES[number], f"interrupted: go on with {hint}\n")
    assert 2 <= epochs_done(path) < EPOCHS
    resumed(path)
    assert_same_run(path, uninterrupted.path)


def wait_for_handlers(process):
    """Waits until a process catches SIGTERM, which takes Python to the first import."""
    until, caught = time.monotonic() + LONGEST, 0
    while not caught & 1 << signal.SIGTERM - 1 and time.monotonic() < until:
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        caught = int(status.partition("SigCgt:")[2].split()[0], 16)


def wait_at_random(process, path, uninterrupted, generator, begun):
    """Waits for a moment before the process has done an epoch, or, ``begun``, another two.

    Where the machine is quicker by then, the epochs tell the end of that time: so a process that
    has just begun is never at its end.
    """
    done, first, whole = epochs_done(path), uninterrupted.first, uninterrupted.whole
    if begun:
        wait_for(process, path, done + 1)
        wait_for(process, path, done + 3, generator.uniform(0, 3 * (whole - first) / EPOCHS))
    else:
        wait_for(process, path, done + 1, generator.uniform(0, first))


@pytest.mark.slow
@pytest.mark.parametrize("number", usual(STATUSES, [signal.SIGTERM], "exhaustive"))
def test_signals_at_any_moment_end_a_run_with_their_status(tmp_path, uninterrupted, number):
    """One at any moment before its first epoch, one at any until two more are done."""
    path, generator = tmp_path / "runs" / "stopped", random.Random(int(number))
    stopped = 0
    for begun in (False, True):
        process = started(path, "--resume")
        wait_for_handlers(process)
        wait_at_random(process, path, uninterrupted, generator, begun)
        process.send_signal(number)
        found, said = finished(process)
        assert (found, "interrupted" in said) in ((STATUSES[number], True), (0, False)), said
        assert said.count("\n") <= 1
        stopped += found == STATUSES[number]
    assert stopped > 0
    resumed(path)
    assert_same_run(path, uninterrupted.path)


@pytest.mark.slow
def test_a_run_that_is_killed_four_times_ends_as_if_it_had_not_been(tmp_path, uninterrupted):
    """Twice at any moment before its first epoch, twice at any until two more are done."""
    path, generator = tmp_path / "runs" / "killed", random.Random(0)
    killed = []
    for begun in (False, True) * 2:
        process = started(path, "--resume")
        wait_at_random(process, path, uninterrupted, generator, begun)
        process.kill()
        killed.append(finished(process)[0] == -signal.SIGKILL)
    assert any(killed)
    resumed(path)
    assert_same_run(path, uninterrupted.path)
