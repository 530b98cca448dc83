"""The entry point: parses the options, runs a command, turns errors into sentences."""

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from sgl_jax._util.packages import name_extra
from sgl_jax._util.signals import note_signals


__all__ = ["main"]

INTERRUPTED = 130


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
        _run(sys.argv[1:] if argv is None else argv)
    except (ArithmeticError, ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interruption:
        print(": ".join(["interrupted", *map(str, interruption.args)]), file=sys.stderr)
        _wait_for_devices()
        return getattr(interruption, "status", INTERRUPTED)
    return 0


def _wait_for_devices() -> None:
    """Waits for what is under way on the devices of this process, before it is torn down."""
    jax = sys.modules.get("jax")
    if jax and not jax.distributed.is_initialized():
        jax.block_until_ready([each for each in jax.live_arrays() if not each.is_deleted()])


def _run(argv: Sequence[str]) -> None:
    """Parses the options and calls the command."""
    with name_extra("The command line needs {}", "demo"):
        import rich  # noqa: F401
        import tyro
    if list(argv) == ["--version"]:
        print(f"sgl-jax {version('sgl_jax')}")
        return
    # Models and data sets by import path are found in the current folder, too.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    from sgl_jax.cli._commands import COMMANDS

    with note_signals():
        tyro.extras.subcommand_cli_from_dict(
            COMMANDS,
            prog="sgl-jax",
            description="Trains sparse convolutional networks. --version shows the version.",
            args=argv,
            config=(tyro.conf.FlagCreatePairsOff, tyro.conf.DisallowNone),
        )
