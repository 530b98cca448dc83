"""The entry point: parses the options, runs a command, turns errors into sentences."""

import contextlib
import os
import signal
import sys
from collections.abc import Generator, Sequence
from typing import Any


__all__ = ["main"]

INTERRUPTED = 130
TERMINATED = 143


class Terminated(KeyboardInterrupt):
    """The interruption by SIGTERM, which is treated like Ctrl-C."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``sgl-jax``; returns its exit status.

    0 is success, 2 an error that a user can put right, 130 and 143 Ctrl-C and SIGTERM. A process
    that has failed while others wait for it does not return, but ends.

    Args:
      argv: the words that were typed; by default those of the process.
    """
    status = _run_to_status(argv)
    if status and "jax" in sys.modules:
        from sgl_jax.train.processes import leave

        leave(status)
    return status


def _run_to_status(argv: Sequence[str] | None) -> int:
    """Runs a command; prints an error as one line, and returns the exit status."""
    try:
        with _raise_on_sigterm():
            _run(sys.argv[1:] if argv is None else argv)
    except (ArithmeticError, ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interruption:
        print(": ".join(["interrupted", *map(str, interruption.args)]), file=sys.stderr)
        return TERMINATED if isinstance(interruption, Terminated) else INTERRUPTED
    return 0


def _run(argv: Sequence[str]) -> None:
    """Parses the options and calls the command."""
    try:
        import rich  # noqa: F401
        import tyro
    except ImportError as error:
        raise ImportError(
            f"The command line needs {error.name}, which is not installed: "
            "run `pip install 'sgl-jax[demo]'`."
        ) from error
    # Models and data sets by import path are found in the current folder, too.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    from sgl_jax.cli._commands import COMMANDS

    tyro.extras.subcommand_cli_from_dict(
        COMMANDS,
        prog="sgl-jax",
        description="Trains sparse convolutional networks.",
        args=argv,
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.DisallowNone),
    )


@contextlib.contextmanager
def _raise_on_sigterm() -> Generator[None, None, None]:
    """Turns SIGTERM in its block into an exception, as Python does with Ctrl-C."""

    def stop(number: int, frame: Any) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
