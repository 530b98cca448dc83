"""SIGINT and SIGTERM: noted, and looked at between steps; a second one ends the process at once.

A handler that raises may do so anywhere: in a callback of the garbage collector, where the
exception is lost, or within a call of XLA, which does not survive it. So a thread notes the signals
as they come, even while the others compute, and :func:`raise_if_stopped` raises between steps.
Without handlers, as in a program that imports the library, it does nothing.
"""

import atexit
import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any


__all__ = [
    "Stopped",
    "defer_signals",
    "end_command_on_signals",
    "note_signals",
    "raise_if_stopped",
    "raise_on_signals",
]

NUMBERS = (signal.SIGINT, signal.SIGTERM)

REPEAT = 0.1
"""Seconds within which a further signal is the same one: `timeout` sends each of them twice."""

NOTICE = b"\nstopping after the steps under way; a second signal ends at once\n"
"""Words for a terminal, where seconds may pass before a signal that was noted is obeyed."""


class Stopped(KeyboardInterrupt):
    """The interruption by a signal that was noted.

    Attributes:
      status: the exit status that shells expect, 128 and the number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.status = 128 + number


class _Watch:
    """The handlers of the process, its thread that reads the signals, and what it does with one.

    Attributes:
      noting: True if the first signal is noted; otherwise it ends the process.
      raising: True if the handler raises, too.
      noted: number of the first signal, 0 before it.
    """

    def __init__(self) -> None:
        self.noting = self.raising = False
        self.noted, self._heard = 0, 0.0
        self._restore: contextlib.ExitStack | None = None

    def start(self) -> bool:
        """Installs the handlers; False if they are there, or cannot be in this thread."""
        if self._restore or threading.current_thread() is not threading.main_thread():
            return False
        reading, writing = socket.socketpair()
        writing.setblocking(False)
        thread = threading.Thread(target=self._read, args=(reading,), daemon=True)
        thread.start()
        self._restore = contextlib.ExitStack()
        self._restore.callback(thread.join)
        self._restore.callback(writing.close)
        before = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        self._restore.callback(signal.set_wakeup_fd, before)
        for number in NUMBERS:
            # A shell has its background jobs ignore Ctrl-C.
            if signal.getsignal(number) != signal.SIG_IGN:
                self._restore.callback(signal.signal, number, signal.signal(number, self._handle))
        return True

    def stop(self) -> None:
        """Restores the handlers that were there before, if any were replaced."""
        if self._restore:
            self._restore.close()
        self._restore = None

    def reset(self) -> None:
        """Ends the noting of signals, and forgets the one that was noted."""
        self.noted, self._heard, self.noting = 0, 0.0, False

    def _read(self, reading: socket.socket) -> None:
        """Reads the number of every signal that has a handler, until the other end is closed."""
        with reading:
            while byte := reading.recv(1):
                if byte[0] in NUMBERS:
                    self._receive(byte[0])

    def _receive(self, number: int) -> None:
        """Notes the first signal that the thread reads; ends the process at the second."""
        now = time.monotonic()
        if self._heard and now - self._heard > REPEAT:
            _end(number)
        self._heard = self._heard or now
        self._note(number)

    def _note(self, number: int) -> None:
        if not self.noting:
            _end(number)
        if not self.noted:
            self.noted = number
            if os.isatty(2):
                os.write(2, NOTICE)

    def _handle(self, number: int, frame: Any) -> None:
        # The thread misses signals while an event loop runs, as Orbax has it, which reads them.
        self._note(number)
        if self.raising:
            raise Stopped(number)


def _end(number: int) -> None:
    """Ends the process at once, with one word, though thread and handler may both end it."""
    if _ending.acquire(timeout=REPEAT):
        os.write(2, b"interrupted\n")
    os._exit(128 + number)


_ending = threading.Lock()

_watch = _Watch()


def _reset_child() -> None:
    """Restores the handlers in a child process, which has the pipe, but not the thread."""
    _watch.stop()
    _watch.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_child)


def end_command_on_signals() -> None:
    """Has signals end the process at once if it is the command line, which starts for seconds."""
    module = sys.argv[0] == "-m" and "-m sgl_jax " in " ".join([*sys.orig_argv, ""])
    if module or Path(sys.argv[0]).stem == "sgl-jax":
        _watch.start()
        atexit.register(_ignore_signals)  # called last, since it is registered first


def _ignore_signals() -> None:
    """Has signals do nothing while Python is torn down, where they would end it by themselves."""
    for number in NUMBERS:
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def note_signals() -> Generator[None, None, None]:
    """Notes the first signal in its block; a second one ends the process.

    Raises:
      Stopped: a signal was noted, and :func:`raise_if_stopped` has not raised.
    """
    _watch.noting = True
    own = _watch.start()
    try:
        yield
    finally:
        if own:
            _watch.stop()
        noted = _watch.noted
        # The thread may read a signal after its handler: that is no second one.
        if own or not noted:
            _watch.reset()
    if noted:
        raise Stopped(noted)


def raise_if_stopped() -> None:
    """Raises :class:`Stopped` if a signal was noted; to be called between steps."""
    if _watch.noted:
        raise Stopped(_watch.noted)


@contextlib.contextmanager
def raise_on_signals() -> Generator[None, None, None]:
    """Raises :class:`Stopped` in its block as soon as a signal is noted, not only between steps.

    For blocks that wait, and that an exception anywhere does not harm.
    """
    raise_if_stopped()
    _watch.raising = True
    try:
        yield
    finally:
        _watch.raising = False
    raise_if_stopped()


@contextlib.contextmanager
def defer_signals() -> Generator[None, None, None]:
    """Defers handlers to the end of the block; Orbax does not survive their exceptions in silence.

    Signals that are noted raise nothing there, and are left alone.
    """
    if _watch.noting or threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    before = {n: signal.signal(n, lambda number, frame: received.append(number)) for n in NUMBERS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in received:
            signal.raise_signal(number)
