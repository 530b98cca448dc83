"""Two processes with four devices each: the run of one device; one is killed, the other ends."""

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from support.compiler import faster_environment
from support.problems import assert_same_support
from support.tiers import usual

from sgl_jax.cli import main
from sgl_jax.runs.config import Config
from sgl_jax.runs.experiment import get_sparse_params, prepare
from sgl_jax.runs.folder import RunFolder
from sgl_jax.runs.launch import Launch
from sgl_jax.train import processes
from sgl_jax.train.processes import is_first_process, report_lost_process, run_on_first


HERE = Path(__file__).parents[1]

CONFIG = Config(
    model="support.tiny:Tiny",
    algorithm="prox_sgd",
    lam=40.0,
    learning_rate=0.05,
    batch_size=48,
    epochs=2,
)

LONGEST = 200.0
"""Seconds after which a process is taken to hang."""


@pytest.fixture(scope="module", autouse=True)
def double():
    """Devices add up in another order; Optax's schedules compare a float with an integer."""
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        yield


@pytest.fixture(scope="module")
def on_one_device(tmp_path_factory):
    """Trains the run to compare with, on one device."""
    return RunFolder(tmp_path_factory.mktemp("runs") / "one").train(CONFIG)


def assert_close(found, expected):
    """The same numbers, of double precision."""

    def compare(a, b):
        assert a.dtype == b.dtype == np.float64
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-9)

    jax.tree.map(compare, found, expected)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def option(field):
    return f"--{field.replace('_', '-')}"


@contextlib.contextmanager
def started(path, devices, **changed):
    """Starts two processes that train the folder together; kills them in the end."""
    config = dataclasses.replace(CONFIG, **changed)
    given = {n: v for n, v in dataclasses.asdict(config).items() if v != getattr(Config(), n)}
    argv = [str(word) for name, value in given.items() for word in (option(name), value)]
    argv += ["--no-twin", "--runs", str(path.parent), "--name", path.name, "--devices", devices]
    argv += ["--distributed", "--coordinator", f"127.0.0.1:{free_port()}", "--processes", "2"]
    paths = os.pathsep.join(map(str, (HERE.parent, HERE)))
    environment = {"PYTHONPATH": paths, "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "4"}
    environment |= {"JAX_ENABLE_X64": "1", **faster_environment()}
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "sgl_jax", "train", *argv, "--process", str(number)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        for number in range(2)
    ]
    try:
        yield both
    finally:
        for process in both:
            process.kill()
            process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("devices", usual(["data", "params"], ["params"], "exhaustive"))
def test_two_processes_train_what_one_device_trains(tmp_path, on_one_device, devices):
    path = tmp_path / "runs" / "two"
    with started(path, devices) as both:
        said = [process.communicate(timeout=LONGEST) for process in both]
        assert [process.returncode for process in both] == [0, 0], said
    assert "sparse 2/2" in said[0][0]
    assert not {"sparse", "twin", "epoch", "error"} & set(said[1][0].lower().split()), said[1][0]
    found = RunFolder(path)
    written = json.loads((path / "config.json").read_text())["placement"]
    assert written == {"devices": 8, "processes": 2, "shard_params": devices == "params"}
    assert (path / "figure.png").exists()
    state, expected = found.read_run(on_one_device.experiment).state, on_one_device.state
    assert int(state.step) == int(expected.step) >= 30
    assert_close(state.params, expected.params)
    assert_same_support(
        *(get_sparse_params(CONFIG, each) for each in (state, expected)), within=1e-9
    )
    for mine, other in zip(found.read_records(), on_one_device.records, strict=True):
        assert mine.loss == pytest.approx(other.loss, abs=1e-9)
        assert 0.0 < mine.sparsity.weights < 1.0


@pytest.mark.slow
@pytest.mark.parametrize("victim", usual([0, 1], [1], "exhaustive"))
def test_a_process_that_is_killed_ends_the_other_and_leaves_a_checkpoint(tmp_path, victim):
    path = tmp_path / "runs" / "killed"
    with started(path, "data", epochs=1000) as both:
        until = time.monotonic() + LONGEST
        while not (path / "checkpoints" / "2").exists() and time.monotonic() < until:
            assert [process.poll() for process in both] == [None, None]
            time.sleep(0.002)
        both[victim].send_signal(signal.SIGKILL)
        other = both[1 - victim]
        _, said = other.communicate(timeout=LONGEST)
    # The loss is noticed by a sum over the devices, or by JAX's own watch over the first process.
    assert (other.returncode, "needs all of its 2 processes" in said) == (2, True) or (
        victim == 0 and other.returncode == -signal.SIGABRT and "another task died" in said
    ), (other.returncode, said)
    assert "Traceback" not in said
    folder = RunFolder(path)
    done = len(folder.read_records())
    assert done >= 2
    assert int(folder.read_run(prepare(folder.read_config())).state.step) == done * 29
    config = json.loads((path / "config.json").read_text())
    config["config"]["epochs"] = done + 1
    (path / "config.json").write_text(json.dumps(config))
    assert len(folder.train(folder.read_config(), "resume").records) == done + 1


@pytest.mark.slow
def test_a_signal_to_all_processes_ends_each_of_them_with_its_status(tmp_path):
    path = tmp_path / "runs" / "stopped"
    with started(path, "data", epochs=1000) as both:
        until = time.monotonic() + LONGEST
        while not (path / "checkpoints" / "2").exists() and time.monotonic() < until:
            assert [process.poll() for process in both] == [None, None]
            time.sleep(0.002)
        for process in both:
            process.send_signal(signal.SIGTERM)
        said = [process.communicate(timeout=LONGEST)[1] for process in both]
    assert [process.returncode for process in both] == [143, 143], said
    assert all("interrupted: go on with" in each for each in said)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--distributed"], "--devices data"),
        (["--processes", "2"], "--distributed"),
        (["--distributed", "--devices", "data", "--processes", "2"], "together"),
        (
            [
                *["--distributed", "--devices", "data", "--coordinator", "a:1", "--processes", "2"],
                "--process",
                "2",
            ],
            "got 2",
        ),
        (["--devices", "data", "--batch-size", "30"], "divisible by the 8 devices"),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path, capsys, options, words):
    argv = ["train", "--model", "support.tiny:Tiny", "--runs", str(tmp_path), *options]
    assert main(argv) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("coordinator", ["127.0.0.1:{port}", "nowhere"])
def test_a_first_process_that_does_not_come_is_an_error(tmp_path, capsys, monkeypatch, coordinator):
    monkeypatch.setattr(processes, "CONNECT_TIMEOUT", 0.1)
    argv = ["train", "--runs", str(tmp_path), "--devices", "data", "--distributed"]
    argv += ["--coordinator", coordinator.format(port=free_port())]
    assert main([*argv, "--processes", "2", "--process", "1"]) == 2
    said = capsys.readouterr().err
    assert "need to reach the first" in said
    assert said.count("\n") == 1


@pytest.mark.slow
def test_one_process_trains_on_all_of_its_devices(tmp_path, on_one_device):
    placement = Launch(devices="params").start()
    reached = RunFolder(tmp_path / "many").train(CONFIG, placement=placement)
    assert_close(reached.state.params, on_one_device.state.params)
    leaves = jax.tree.leaves(reached.state.params)
    assert all(len(leaf.sharding.device_set) == 1 for leaf in leaves)


def test_a_process_by_itself_is_the_first():
    def fail():
        raise ValueError("no gloo here")

    assert is_first_process()
    assert run_on_first(lambda: 3) == 3
    with pytest.raises(ValueError, match="no gloo here"), report_lost_process():
        run_on_first(fail)


@pytest.mark.parametrize(
    ("message", "lost"),
    [
        ("UNKNOWN: Gloo all-reduce failed: Connection closed by peer", True),
        ("A run needs a connection of its layers, got none.", False),
        ("INTERNAL: out of luck", False),
    ],
)
def test_only_errors_of_xla_tell_of_a_lost_process(monkeypatch, message, lost):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    error = processes.ProcessLost if lost else ValueError
    with pytest.raises(error, match=message[:20]), report_lost_process():
        raise ValueError(message)
