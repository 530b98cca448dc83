"""The whole state of a training run on disk, written by Orbax, atomically.

A checkpoint is a folder named by the epoch it was taken after. Orbax writes it under another name
and renames it when all of it is there, so a folder with a number for a name is whole. Of several
processes that train together the first writes and reads.
"""

import contextlib
import gc
import logging
import os
import re
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from sgl_jax._pytree import flatten_by_path
from sgl_jax.processes import by_first
from sgl_jax.train import TrainState


__all__ = ["latest", "load", "save"]


def save(folder: Path, epoch: int, state: TrainState) -> None:
    """Writes a state, then deletes every older one, and what an interrupted writing has left.

    Args:
      folder: of the checkpoints of a run; made where missing.
      epoch: epochs that led to the state.
      state: what to keep, whole on one device; read, not consumed.

    Raises:
      OSError: the folder cannot be written, or the disk is full.
    """
    by_first(lambda: _write(folder, epoch, state))


def _write(folder: Path, epoch: int, state: TrainState) -> None:
    path = folder / str(epoch)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _undisturbed(), _quiet(), _checkpointer() as checkpointer:
            checkpointer.save(path.absolute(), _plain_leaves(state), force=True)
    except ImportError:
        raise
    except Exception as error:
        _clear(folder, latest(folder))
        raise OSError(
            f"A checkpoint needs a disk that can be written, got '{_reason(error)}' for {path}: "
            "free some space, then go on with --resume."
        ) from error
    _clear(folder, epoch)


def _clear(folder: Path, epoch: int) -> None:
    """Deletes all but one checkpoint."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name != str(epoch):
            shutil.rmtree(path, ignore_errors=True)


def latest(folder: Path) -> int:
    """The number of epochs that the newest whole checkpoint was taken after; 0 without one."""
    if not folder.is_dir():
        return 0
    return max((int(path.name) for path in folder.iterdir() if path.name.isdecimal()), default=0)


def load(folder: Path, epoch: int, like: TrainState) -> TrainState:
    """Reads the state after an epoch.

    Args:
      folder: of the checkpoints of a run.
      epoch: one that :func:`latest` has found.
      like: a state of the same network and optimizer, which says where its arrays belong.

    Raises:
      ValueError: it cannot be read, or is of another network or optimizer.
    """
    leaves, rebuild = flatten_by_path(like)
    expected = {name: _form(jax.eval_shape(_numbers, leaf)) for name, leaf in leaves.items()}
    found = by_first(lambda: _read((folder / str(epoch)).absolute(), expected))
    return rebuild({name: _typed(found[name], leaf) for name, leaf in leaves.items()})


def _read(path: Path, expected: dict[str, str]) -> dict[str, np.ndarray]:
    try:
        with _quiet(), _checkpointer() as checkpointer:
            stored = checkpointer.metadata(path).item_metadata
            _check(expected, {} if stored is None else stored.tree, path)
            return checkpointer.restore(path)
    except (ImportError, _Other):
        raise
    except Exception as error:
        raise ValueError(
            f"A checkpoint needs to be whole, got '{_reason(error)}' for {path}: delete it and "
            "start the run anew with --overwrite."
        ) from error


class _Other(ValueError):
    """A checkpoint of another network or optimizer."""


def _plain_leaves(state: TrainState) -> dict[str, np.ndarray]:
    """The leaves of a state by path, on the host; keys of random streams as their numbers."""
    return {path: np.asarray(_numbers(leaf)) for path, leaf in flatten_by_path(state)[0].items()}


def _is_key(leaf: Array) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _numbers(leaf: Array) -> Array:
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _typed(found: np.ndarray, like: Array) -> Array:
    if _is_key(like):
        return jax.random.wrap_key_data(jnp.asarray(found), impl=jax.random.key_impl(like))
    return jax.device_put(found, like.sharding)


def _form(leaf: Any) -> str:
    return f"{leaf.dtype}{list(leaf.shape)}"


def _check(expected: dict[str, str], stored: dict[str, Any], path: Path) -> None:
    if not stored:
        raise OSError("no readable metadata")
    for name in sorted(expected.keys() | stored.keys()):
        here = expected.get(name, "nothing")
        there = _form(stored[name]) if name in stored else "nothing"
        if here != there:
            raise _Other(
                f"A checkpoint needs to be of this network and optimizer, which have {here} at "
                f"{name!r}, got {there} there in {path}."
            )


def _reason(error: Exception) -> str:
    """What went wrong, in a few words; TensorStore hides the system's error in a long message."""
    code = re.search(r"os_error_code='(\d+)'", str(error))
    strerror = os.strerror(int(code.group(1))) if code else getattr(error, "strerror", None)
    return strerror or str(error).partition("\n")[0][:120] or type(error).__name__


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
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
def _quiet() -> Iterator[None]:
    """Keeps the tracebacks out of sight that Orbax logs beside the errors that it raises."""
    loggers = [logging.getLogger(name) for name in ("absl", "asyncio")]
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


def _checkpointer() -> Any:
    """Orbax's writer and reader, in the first process alone, whatever others there are."""
    try:
        import orbax.checkpoint as ocp
    except ImportError as error:
        raise ImportError(
            "Checkpoints need orbax-checkpoint, which is not installed: "
            "run `pip install 'sgl-jax[demo]'`."
        ) from error
    alone = ocp.options.MultiprocessingOptions(
        primary_host=0, active_processes={0}, barrier_sync_key_prefix="first"
    )
    handler = ocp.PyTreeCheckpointHandler(multiprocessing_options=alone)
    return ocp.Checkpointer(handler, multiprocessing_options=alone)
