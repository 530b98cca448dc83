"""Weights to start a run from: of a run folder, an Orbax checkpoint, a safetensors or an NPZ file.

Arrays are matched by path and shape; prefixes such as ``params`` do not count. All parameters have
to be there; other numbers, such as the statistics of a BatchNorm, are taken if they are. Arrays of
PyTorch are converted.
"""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax.numpy as jnp
import numpy as np

from sgl_jax._util import orbax
from sgl_jax._util.orbax import explain, restore_leaf
from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.safetensors import read_safetensors
from sgl_jax._util.typing import Params
from sgl_jax.runs._checkpoint import find_latest
from sgl_jax.runs._plan_files import find_plan
from sgl_jax.runs._pytorch import convert, is_from_pytorch


__all__ = ["FORMATS", "load_initial"]

PREFIXES = {"params", "rest", "batch_stats", "0", "1"}
"""First parts of a path that tell parameters from other arrays, and are left out: those of run
folders, of Flax and of the pairs that are exported."""

STATE = {"opt_state", "step"}
"""First parts of the paths in a checkpoint that belong to its optimizer."""

Arrays = dict[str, np.ndarray]


def load_initial(
    source: str, params: Params, rest: Any, layers: Mapping[str, str] = MappingProxyType({})
) -> tuple[Params, Any]:
    """Loads the weights to start from into the arrays of a network.

    Args:
      source: a run folder, an Orbax checkpoint, or a ``.safetensors`` or ``.npz`` file.
      params: the parameters of the network.
      rest: its other arrays; random streams stay as they are.
      layers: the paths of its layers by the names that they have in PyTorch.

    Raises:
      ImportError: a package is missing.
      OSError: there is no such path.
      ValueError: it cannot be read, or is of another network.
    """
    path = Path(source).expanduser()
    found = _read(path)
    if is_from_pytorch(found):
        found = convert(found, layers)
    found = {_normalise(name): array for name, array in found.items()}
    (trained, make_params), (others, make_rest) = flatten_by_path(params), flatten_by_path(rest)
    numbers = {n: leaf for n, leaf in others.items() if jnp.issubdtype(leaf.dtype, jnp.inexact)}
    taken = {n: leaf for n, leaf in {**numbers, **trained}.items() if n in found or n in trained}
    for name in sorted(taken.keys() | found.keys() - others.keys()):
        here, there = (_describe(arrays.get(name)) for arrays in (taken, found))
        if here != there:
            raise ValueError(
                f"Weights to start from need to be of this network, which has {here} at {name!r}, "
                f"got {there} there in {path}: leave out --init-from, or give other weights."
            )
    new = {n: restore_leaf(found[n].astype(leaf.dtype), leaf) for n, leaf in taken.items()}
    return make_params({**trained, **new}), make_rest({**others, **new})


def _normalise(name: str) -> str:
    """Normalises the path of an array: slashes, and no prefix."""
    first, slash, inner = name.replace(".", "/").removesuffix("/value").partition("/")
    return inner if slash and first in PREFIXES else f"{first}{slash}{inner}"


def _describe(array: Any) -> str:
    return "nothing" if array is None else f"an array of shape {tuple(array.shape)}"


def _read(path: Path) -> Arrays:
    """Reads the arrays by the names they have there."""
    kind = path.suffix.removeprefix(".")
    if path.is_dir():
        kind = "run folder" if (path / "config.json").exists() else "Orbax checkpoint"
    elif not path.exists():
        raise FileNotFoundError(
            f"Weights to start from need a path that is there, got {path}: correct --init-from."
        )
    elif kind not in FORMATS:
        raise ValueError(
            f"Weights to start from need to be in one of the formats {', '.join(FORMATS)}, got "
            f"{path}: convert it."
        )
    try:
        found = FORMATS[kind](path)
    except ImportError:
        raise
    except Exception as error:
        raise ValueError(
            f"Weights to start from need a whole {kind} that can be read, got '{explain(error)}' "
            f"for {path}: give another --init-from."
        ) from error
    return {name: array for name, array in found.items() if name.partition("/")[0] not in STATE}


def _read_run(path: Path) -> Arrays:
    """Reads the trained weights of a run, ``w``, after its newest epoch; zero where some left."""
    checkpoints = path / "checkpoints"
    epoch = find_latest(checkpoints)
    if not epoch:
        raise FileNotFoundError("no epoch is done")
    arrays = orbax.read_all(checkpoints / str(epoch))
    plan = find_plan(path / "shrinks", epoch)
    parts = {} if plan is None else dict(plan.leaves)
    return {
        name: np.asarray(parts[inner].put(array)) if (inner := _normalise(name)) in parts else array
        for name, array in arrays.items()
        if name.partition("/")[0] not in STATE
    }


def _read_npz(path: Path) -> Arrays:
    if not zipfile.is_zipfile(path):
        raise ValueError("no archive")
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


FORMATS: Mapping[str, Callable[[Path], Arrays]] = {
    "run folder": _read_run,
    "Orbax checkpoint": orbax.read_all,
    "safetensors": lambda path: read_safetensors(path.read_bytes()),
    "npz": _read_npz,
}
"""Readers by format; those of files have the ending as their name."""
