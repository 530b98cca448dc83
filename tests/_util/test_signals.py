"""Signals that are noted and raised between steps, in a process of their own where they end it."""

import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sgl_jax._util import signals
from sgl_jax._util.signals import (
    NOTICE,
    NUMBERS,
    Stopped,
    defer_signals,
    note_signals,
    raise_if_stopped,
    raise_on_signals,
)


BOTH = pytest.mark.parametrize("number", NUMBERS)

LONGEST = 60.0
"""Seconds after which a process is taken to hang."""


@pytest.fixture(autouse=True)
def handlers_stay(interruptible):
    """Handlers are after a test what they were before."""
    before = [signal.getsignal(number) for number in NUMBERS]
    yield
    assert [signal.getsignal(number) for number in NUMBERS] == before
    assert signal.set_wakeup_fd(-1) == -1


def wait_for_stop():
    """Takes steps until one of them is told to stop."""
    until = time.monotonic() + LONGEST
    while time.monotonic() < until:
        raise_if_stopped()
        time.sleep(0.001)


@BOTH
def test_a_noted_signal_raises_between_steps_only(number):
    def take_steps():
        with note_signals():
            signal.raise_signal(number)
            steps.append("the rest of a step")
            wait_for_stop()
            steps.append("the next step")

    steps = []
    with pytest.raises(Stopped) as stopped:
        take_steps()
    assert stopped.value.status == 128 + number
    assert steps == ["the rest of a step"]
    raise_if_stopped()


@BOTH
def test_a_signal_that_no_step_looks_at_raises_at_the_end_of_the_block(number):
    with pytest.raises(Stopped) as stopped, note_signals():
        signal.raise_signal(number)
    assert stopped.value.status == 128 + number


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_is_told_that_a_signal_was_noted(terminal, monkeypatch, capfd):
    monkeypatch.setattr("os.isatty", lambda descriptor: terminal)
    with pytest.raises(Stopped), note_signals():
        signal.raise_signal(signal.SIGINT)
    assert capfd.readouterr().err == (NOTICE.decode() if terminal else "")


def test_without_handlers_nothing_is_noted():
    with pytest.raises(KeyboardInterrupt) as interrupted:
        signal.raise_signal(signal.SIGINT)
    assert not isinstance(interrupted.value, Stopped)
    raise_if_stopped()


@BOTH
def test_a_signal_is_noted_while_an_event_loop_reads_signals(number):
    def take_steps():
        with note_signals():
            before = signal.set_wakeup_fd(-1)
            signal.raise_signal(number)
            signal.set_wakeup_fd(before)
            wait_for_stop()

    with pytest.raises(Stopped):
        take_steps()


def test_a_block_that_waits_is_left_at_once():
    def wait():
        with note_signals(), raise_on_signals():
            signal.raise_signal(signal.SIGTERM)
            reached.append("the next line")

    reached = []
    with pytest.raises(Stopped):
        wait()
    assert reached == []
    raise_if_stopped()


@BOTH
def test_deferred_signals_come_at_the_end_of_the_block(number):
    heard = []
    before = signal.signal(number, lambda *which: heard.append(which[0]))
    try:
        with defer_signals():
            signal.raise_signal(number)
            assert heard == []
        assert heard == [number]
    finally:
        signal.signal(number, before)


def test_noted_signals_are_noted_while_signals_are_deferred():
    def take_steps():
        with note_signals(), defer_signals():
            signal.raise_signal(signal.SIGTERM)
            wait_for_stop()

    with pytest.raises(Stopped):
        take_steps()


@pytest.mark.parametrize(
    ("argv", "original", "ends"),
    [
        (["-m", "train"], ["python", "-m", "sgl_jax", "train"], True),
        (["/usr/bin/sgl-jax", "train"], ["python", "/usr/bin/sgl-jax", "train"], True),
        (["-m"], ["python", "-m", "own_package"], False),
        (["own.py", "-m", "sgl_jax"], ["python", "own.py", "-m", "sgl_jax"], False),
    ],
)
def test_only_the_command_line_ends_at_once_while_it_starts(monkeypatch, argv, original, ends):
    started = []
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys, "orig_argv", original)
    monkeypatch.setattr(signals._watch, "start", lambda: started.append(True))
    signals.end_command_on_signals()
    assert bool(started) == ends


ALONE = """
import hashlib, os, signal, sys
sys.path.append({folder!r})
import signals

with signals.note_signals():
    print("ready", flush=True)
    {block}
"""


@contextlib.contextmanager
def started(block):
    """Starts a process that runs a line with its signals noted, without JAX."""
    program = ALONE.format(folder=str(Path(signals.__file__).parent), block=block)
    pipe = subprocess.PIPE
    argv = [sys.executable, "-c", program]
    with subprocess.Popen(argv, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


@BOTH
def test_a_second_signal_ends_a_process_that_is_deep_in_a_call(number):
    with started("hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)") as process:
        process.send_signal(number)
        time.sleep(5 * signals.REPEAT)
        assert process.poll() is None
        process.send_signal(number)
        _, said = process.communicate(timeout=LONGEST)
    assert (process.returncode, said) == (128 + number, "interrupted\n")


def test_signals_end_a_forked_child_and_not_its_parent():
    block = "os.fork() or os.kill(os.getpid(), signal.SIGTERM); print(os.wait()[1])"
    with started(block) as process:
        out, _ = process.communicate(timeout=LONGEST)
    assert (process.returncode, out) == (0, f"{int(signal.SIGTERM)}\n")
