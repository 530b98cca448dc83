"""Keeps noise and interruptions away from other people's code."""

import contextlib
import gc
import logging
import signal
import threading
from collections.abc import Iterator


__all__ = ["quiet", "undisturbed"]


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Puts off Ctrl-C and SIGTERM, which Orbax does not survive in silence, to the end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [
        signal.signal(number, lambda number, frame: came.append(number)) for number in numbers
    ]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
        for number in came:
            signal.raise_signal(number)


@contextlib.contextmanager
def quiet(*names: str) -> Iterator[None]:
    """Keeps out of sight what some loggers say, such as tracebacks of errors that are raised, too.

    Args:
      *names: of the loggers.
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
