"""Several processes that train one network together, of which only the first writes.

They run the same program on the same values, each on its own devices (:mod:`.placement`).
What touches the disk goes through :func:`by_first`. A process that ends early takes the others with
it: they notice at the next sum over the devices.
"""

import contextlib
import os
import pickle
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec


__all__ = ["ProcessLost", "by_first", "is_first", "join", "leave", "losses_noticed"]

T = TypeVar("T")

PATIENCE = 1.0
"""Seconds for which the first process, on which the others depend, ends after them."""

WAIT = 300.0
"""Seconds for which the other processes wait for the first one to come."""

SIGNS = ("gloo", "nccl", "unavailable", "connection", "heartbeat", "coordination")
"""Words by which the message of a failed program tells that another process is gone."""


class ProcessLost(OSError):
    """Another process that trains the same network has ended."""


def join(
    coordinator: str | None = None, processes: int | None = None, process: int | None = None
) -> None:
    """Joins the processes that train together; to be called before JAX does anything.

    Args:
      coordinator: ``host:port`` of the first process; without it, and without the others, what
        SLURM, Open MPI or a cloud says.
      processes: how many there are.
      process: the number of this one, from 0.

    Raises:
      ConnectionError: the others do not answer, or nothing says where they are.
    """
    if coordinator is not None and process != 0:
        _await(coordinator)
    try:
        jax.distributed.initialize(coordinator, processes, process)
    except (RuntimeError, ValueError) as error:
        raise ConnectionError(
            "Processes that train together need to reach one another, got "
            f"'{_first_line(error)}': give each --coordinator HOST:PORT, --processes and --process."
        ) from error


def _await(coordinator: str) -> None:
    """Waits for the first process; JAX would abort where it does not come."""
    host, _, port = coordinator.rpartition(":")
    until = time.monotonic() + WAIT
    while True:
        try:
            with socket.create_connection((host, int(port)), timeout=WAIT):
                return
        except (OSError, ValueError) as error:
            if isinstance(error, ValueError) or time.monotonic() > until:
                raise ConnectionError(
                    f"Processes that train together need to reach the first, got '{error}' for "
                    f"{coordinator!r}: give all the same --coordinator HOST:PORT, of process 0."
                ) from error
            time.sleep(min(0.2, WAIT))


def is_first() -> bool:
    """Whether this process is the one that writes; a process by itself is."""
    return jax.process_index() == 0


def by_first(make: Callable[[], T]) -> T:
    """What a function returns, or raises, in the first process; the others do not call it.

    All processes must get here, with nothing under way on their devices.

    Args:
      make: returns something that can be pickled.

    Returns:
      The same in every process.
    """
    if jax.process_count() == 1:
        return make()
    outcome = _outcome(make) if is_first() else None
    kind, value = pickle.loads(_of_first(pickle.dumps(outcome)))
    if kind == "raised":
        raise value
    return value


def _outcome(make: Callable[[], T]) -> tuple[str, T | Exception]:
    try:
        return "returned", make()
    except Exception as error:
        return "raised", error


def _of_first(data: bytes) -> bytes:
    """The bytes that the first process passes."""
    length = int(_shared(np.array([len(data)], np.int32))[0])
    row = np.zeros(length, np.uint8)
    if is_first():
        row[:] = np.frombuffer(data, np.uint8)
    return _shared(row).tobytes()


def _shared(row: np.ndarray) -> np.ndarray:
    """The row of the first process, in every process."""
    # One device of each process, and no program under way afterwards: sums that overlap get mixed.
    devices = {device.process_index: device for device in reversed(jax.devices())}
    mesh = Mesh(np.array([devices[index] for index in sorted(devices)]), ("processes",))
    split, whole = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in (("processes",), ()))
    mine = row if is_first() else np.zeros_like(row)
    rows = jax.make_array_from_process_local_data(split, mine[None])
    total = jax.jit(lambda rows: rows.sum(0, dtype=rows.dtype), out_shardings=whole)(rows)
    return np.asarray(total.block_until_ready().addressable_data(0))


@contextlib.contextmanager
def losses_noticed() -> Iterator[None]:
    """Says in a sentence that another process is gone, in the place of what JAX says.

    Raises:
      ProcessLost: within the block, another process has ended.
    """
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        message = str(error).lower()
        if jax.process_count() == 1 or not any(sign in message for sign in SIGNS):
            raise
        raise ProcessLost(
            f"Training needs all of its {jax.process_count()} processes to the end, got "
            f"'{_first_line(error)}' in process {jax.process_index()} as another one ended: see "
            "what that one said, then start all of them again with --resume."
        ) from error


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
    if is_first():
        time.sleep(PATIENCE)
    os._exit(status)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:160]
