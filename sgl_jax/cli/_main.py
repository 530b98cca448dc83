"""The command line: what is typed to a command, and what goes wrong to a sentence."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import Any


__all__ = ["main"]

INTERRUPTED = 130
TERMINATED = 143


class Terminated(KeyboardInterrupt):
    """SIGTERM came, which is taken like Ctrl-C."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``sgl-jax``; returns its exit status.

    0 is success, 2 what a user can put right, 130 and 143 Ctrl-C and SIGTERM. A process that has
    failed while others wait for it does not return, but ends.
    """
    status = _status(argv)
    if status and "jax" in sys.modules:
        from sgl_jax.train.processes import leave

        leave(status)
    return status


def _status(argv: Sequence[str] | None) -> int:
    try:
        with _terminated():
            _run(sys.argv[1:] if argv is None else argv)
    except (ArithmeticError, ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interruption:
        print(": ".join(["interrupted", *map(str, interruption.args)]), file=sys.stderr)
        return TERMINATED if isinstance(interruption, Terminated) else INTERRUPTED
    return 0


def _run(argv: Sequence[str]) -> None:
    try:
        import rich  # noqa: F401
        import tyro
    except ImportError as error:
        raise ImportError(
            f"The command line needs {error.name}, which is not installed: "
            "run `pip install 'sgl-jax[demo]'`."
        ) from error
    # Models and data of one's own are found in the folder one stands in.
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
def _terminated() -> Iterator[None]:
    """Turns SIGTERM into an exception, as Python does with Ctrl-C."""

    def stop(number: int, frame: Any) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
