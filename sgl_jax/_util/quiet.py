"""A context manager that silences loggers of other people's code."""

import contextlib
import gc
import logging
from collections.abc import Generator


__all__ = ["silence_loggers"]


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
