"""Several processes that train one network together, of which only the first writes.

They run the same program on the same values, each on its own devices (:mod:`.placement`).
Whatever touches the disk goes through :func:`run_on_first`. A process that ends early takes the
others with it: they notice at the next sum over the devices.
"""

import contextlib
import os
import pickle
import re
import socket
import sys
import time
from collections.abc import Callable, Generator
from typing import TypeVar

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from sgl_jax._util.signals import raise_if_stopped


__all__ = [
    "ProcessLost",
    "is_first_process",
    "join",
    "leave",
    "report_lost_process",
    "run_on_first",
]

T = TypeVar("T")

EXIT_DELAY = 1.0
"""Seconds by which the first process, on which the others depend, ends after them."""

CONNECT_TIMEOUT = 300.0
"""Seconds for which the other processes wait for the first one to come up."""

LOST_PROCESS_WORDS = ("gloo", "nccl", "unavailable", "connection", "heartbeat", "coordination")
"""Words in the message of a failed program which tell that another process is gone."""


class ProcessLost(OSError):
    """The error that another process, which trains the same network, has ended."""


def join(
    coordinator: str | None = None, processes: int | None = None, process: int | None = None
) -> None:
    """Joins the processes that train together; to be called before JAX does anything.

    Args:
      coordinator: ``host:port`` of the first process; if all three are ``None``, SLURM, Open MPI
        or a cloud tells them.
      processes: number of processes.
      process: number of this one, from 0.

    Raises:
      ConnectionError: the others do not answer, or nothing says where they are.
    """
    if coordinator is not None and process != 0:
        _wait_for_first(coordinator)
    # Its service takes SIGTERM for itself, and would leave the process running.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(coordinator, processes, process)
    except (RuntimeError, ValueError) as error:
        raise ConnectionError(
            "Processes that train together need to reach one another, got "
            f"'{_first_line(error)}': give each --coordinator HOST:PORT, --processes and --process."
        ) from error


def _wait_for_first(coordinator: str) -> None:
    """Waits for the first process; JAX would abort if it does not come up."""
    host, _, port = coordinator.rpartition(":")
    until = time.monotonic() + CONNECT_TIMEOUT
    while True:
        raise_if_stopped()
        try:
            with socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT):
                return
        except (OSError, ValueError) as error:
            if isinstance(error, ValueError) or time.monotonic() > until:
                raise ConnectionError(
                    f"Processes that train together need to reach the first, got '{error}' for "
                    f"{coordinator!r}: give all the same --coordinator HOST:PORT, of process 0."
                ) from error
            time.sleep(min(0.2, CONNECT_TIMEOUT))


def is_first_process() -> bool:
    """True if this process is the one that writes; a process by itself is."""
    return jax.process_index() == 0


def run_on_first(make: Callable[[], T]) -> T:
    """Calls a function in the first process alone, and shares its result with the others.

    All processes must get here, with nothing under way on their devices.

    Args:
      make: a function whose result can be pickled.

    Returns:
      The result of the first process, in every process.

    Raises:
      Exception: the exception that the function raised, in every process.
    """
    if jax.process_count() == 1:
        return make()
    outcome = _call_and_catch(make) if is_first_process() else None
    kind, value = pickle.loads(_broadcast_bytes(pickle.dumps(outcome)))
    if kind == "raised":
        raise value
    return value


def _call_and_catch(make: Callable[[], T]) -> tuple[str, T | Exception]:
    """Returns ``("returned", result)`` or ``("raised", exception)``."""
    try:
        return "returned", make()
    except Exception as error:
        return "raised", error


def _broadcast_bytes(data: bytes) -> bytes:
    """Returns in every process the bytes that the first process passes."""
    length = int(_broadcast_row(np.array([len(data)], np.int32))[0])
    row = np.zeros(length, np.uint8)
    if is_first_process():
        row[:] = np.frombuffer(data, np.uint8)
    return _broadcast_row(row).tobytes()


def _broadcast_row(row: np.ndarray) -> np.ndarray:
    """Returns in every process the row that the first process passes, by a sum."""
    # One device of each process, and no program under way afterwards: sums that overlap get mixed.
    devices = {device.process_index: device for device in reversed(jax.devices())}
    mesh = Mesh(np.array([devices[index] for index in sorted(devices)]), ("processes",))
    split, whole = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in (("processes",), ()))
    mine = row if is_first_process() else np.zeros_like(row)
    rows = jax.make_array_from_process_local_data(split, mine[None])
    total = jax.jit(lambda rows: rows.sum(0, dtype=rows.dtype), out_shardings=whole)(rows)
    return np.asarray(total.block_until_ready().addressable_data(0))


@contextlib.contextmanager
def report_lost_process() -> Generator[None, None, None]:
    """Raises a one-sentence :class:`ProcessLost` in the place of JAX's error in its block.

    Raises:
      ProcessLost: within the block, another process has ended.
    """
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        if jax.process_count() == 1 or not _tells_of_lost_process(error):
            raise
        raise_if_stopped()  # all of them may have got the signal
        raise ProcessLost(
            f"Training needs all of its {jax.process_count()} processes to the end, got "
            f"'{_first_line(error)}' in process {jax.process_index()} as another one ended: see "
            "what that one said, then start all of them again with --resume."
        ) from error


def _tells_of_lost_process(error: Exception) -> bool:
    """True if an error is of XLA, whose messages begin with a code, and of another process."""
    message = str(error)
    words = any(word in message.lower() for word in LOST_PROCESS_WORDS)
    return words and re.match(r"[A-Z_]+: ", message) is not None


def leave(status: int) -> None:
    """Ends a process that has failed at once, if it is joined to others.

    An ordinary exit would wait for them, and they wait for it.

    Args:
      status: the exit status.
    """
    if not jax.distributed.is_initialized():
        return
    sys.stdout.flush()
    sys.stderr.flush()
    if is_first_process():
        time.sleep(EXIT_DELAY)
    os._exit(status)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:160]
