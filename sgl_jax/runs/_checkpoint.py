"""The whole state of a training run on disk, written by Orbax, atomically.

A checkpoint is a folder named by the epoch it was taken after. Orbax writes it under another name
and renames it when all of it is there, so a folder with a number for a name is whole. Of several
processes that train together the first writes and reads.
"""

import shutil
from pathlib import Path

import numpy as np

from sgl_jax._util import orbax
from sgl_jax._util.orbax import Mismatch, describe_leaves, explain, restore_leaf, to_host
from sgl_jax._util.pytree import flatten_by_path
from sgl_jax.train import TrainState
from sgl_jax.train.processes import run_on_first


__all__ = ["find_latest", "load", "save"]


def save(folder: Path, epoch: int, state: TrainState) -> None:
    """Writes a state, then deletes all older ones and the remains of an interrupted writing.

    Args:
      folder: folder of the checkpoints of a run; made if it is missing.
      epoch: epochs that led to the state.
      state: the state, whole on one device; read, not consumed.

    Raises:
      OSError: the folder cannot be written, or the disk is full.
    """
    run_on_first(lambda: _write(folder, epoch, state))


def _write(folder: Path, epoch: int, state: TrainState) -> None:
    path = folder / str(epoch)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        orbax.write(path, to_host(state))
    except ImportError:
        raise
    except Exception as error:
        _clear(folder, find_latest(folder))
        raise OSError(
            f"A checkpoint needs a disk that can be written, got '{explain(error)}' for {path}: "
            "free some space, then go on with --resume."
        ) from error
    _clear(folder, epoch)


def _clear(folder: Path, epoch: int) -> None:
    """Deletes all checkpoints but that of one epoch."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name != str(epoch):
            shutil.rmtree(path, ignore_errors=True)


def find_latest(folder: Path) -> int:
    """Finds the epoch of the newest whole checkpoint; 0 without one."""
    if not folder.is_dir():
        return 0
    return max((int(path.name) for path in folder.iterdir() if path.name.isdecimal()), default=0)


def load(folder: Path, epoch: int, like: TrainState) -> TrainState:
    """Reads the state after an epoch.

    Args:
      folder: folder of the checkpoints of a run.
      epoch: an epoch that :func:`find_latest` has found.
      like: a state of the same network and optimizer, whose arrays lie where those read are to lie.

    Raises:
      ValueError: it cannot be read, or is of another network or optimizer.
    """
    leaves, rebuild = flatten_by_path(like)
    expected = describe_leaves(leaves)
    found = run_on_first(lambda: _read(folder / str(epoch), expected))
    return rebuild({name: restore_leaf(found[name], leaf) for name, leaf in leaves.items()})


def _name_today(name: str) -> str:
    """Names a leaf of a checkpoint as today; strengths of entries had a prefix of their own."""
    return name.replace("/strengths/entry_", "/strengths/")


def _read(path: Path, expected: dict[str, str]) -> dict[str, np.ndarray]:
    try:
        return orbax.read(path, expected, _name_today)
    except ImportError:
        raise
    except Mismatch as found:
        raise ValueError(
            f"A checkpoint needs to be of this network and optimizer, which have {found.here} at "
            f"{found.name!r}, got {found.there} there in {path}."
        ) from found
    except Exception as error:
        raise ValueError(
            f"A checkpoint needs to be whole, got '{explain(error)}' for {path}: delete it and "
            "start the run anew with --overwrite."
        ) from error
