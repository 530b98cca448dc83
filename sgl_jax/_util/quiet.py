"""Context managers that keep signals from, and silence loggers of, other people's code."""

import contextlib
import gc
import logging
import signal
import threading
from collections.abc import Generator


__all__ = ["defer_signals", "silence_loggers"]


@contextlib.contextmanager
def defer_signals() -> Generator[None, None, None]:
    """Defers Ctrl-C and SIGTERM to the end of the block; Orbax does not survive them in silence."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [
        signal.signal(number, lambda number, frame: received.append(number)) for number in numbers
    ]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
        for number in received:
            signal.raise_signal(number)


@contextlib.contextmanager
def silence_loggers(*names: str) -> Generator[None, None, None]:
    """Silences loggers, which print tracebacks of errors that are raised as well.

    Args:
      *names: names of the loggers.
    """
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    except BaseException:
        gc.collect()  # tasks that failed unnoticed are logged when they are collected
        raise
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled
