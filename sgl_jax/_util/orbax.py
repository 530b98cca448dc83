"""Leaves of a tree on disk, by Orbax: written whole or not at all, read whole or not at all.

Orbax writes a folder under another name and renames it when all of it is there. It reads whatever
it finds, so names, types and shapes are compared before.
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from sgl_jax._util.packages import name_extra
from sgl_jax._util.pytree import flatten_by_path, is_key
from sgl_jax._util.quiet import silence_loggers
from sgl_jax._util.signals import defer_signals


__all__ = [
    "Mismatch",
    "compare",
    "describe_leaves",
    "explain",
    "read",
    "read_all",
    "restore_leaf",
    "to_host",
    "write",
]

_LOGGERS = ("absl", "asyncio")
_ROOT = "."
"""Stands for the path of a tree that is a leaf: it is empty, which no name in Orbax may be."""


class Mismatch(ValueError):
    """The error that a leaf on disk is not the expected one.

    Attributes:
      name: name of the leaf.
      here: the expected type and shape, or "nothing".
      there: those on disk, or "nothing".
    """

    def __init__(self, name: str, here: str, there: str) -> None:
        super().__init__(name, here, there)
        self.name, self.here, self.there = name, here, there


def write(path: Path, leaves: Mapping[str, np.ndarray]) -> None:
    """Writes a folder, in the place of one that is there.

    Args:
      path: path of the folder.
      leaves: leaves by name, from :func:`to_host`.

    Raises:
      ImportError: Orbax is not installed.
      Exception: whatever Orbax raises where it cannot write; :func:`explain` shortens it.
    """
    with defer_signals(), silence_loggers(*_LOGGERS), _make_checkpointer() as checkpointer:
        named = {name or _ROOT: leaf for name, leaf in leaves.items()}
        checkpointer.save(path.absolute(), named, force=True)


def read(
    path: Path, expected: Mapping[str, str], rename: Callable[[str], str] = str
) -> dict[str, np.ndarray]:
    """Reads a folder.

    Args:
      path: path of the folder.
      expected: type and shape of every leaf, from :func:`describe_leaves`.
      rename: function from the name of a stored leaf to its name today.

    Raises:
      ImportError: Orbax is not installed.
      Mismatch: a leaf is missing, is one too many, or has another type or shape.
      Exception: whatever Orbax raises where it cannot read.
    """
    with silence_loggers(*_LOGGERS), _make_checkpointer() as checkpointer:
        metadata = checkpointer.metadata(path.absolute()).item_metadata
        stored = {} if metadata is None else metadata.tree
        if not stored:
            raise OSError("no readable metadata")
        today = {name: rename(_to_path(name)) for name in stored}
        compare(expected, {today[name]: _describe(leaf) for name, leaf in stored.items()})
        found = checkpointer.restore(path.absolute())
        return {today[name]: leaf for name, leaf in found.items()}


def read_all(path: Path) -> dict[str, np.ndarray]:
    """Reads the leaves of any tree that Orbax has written, by path.

    Args:
      path: path of the folder.

    Raises:
      ImportError: Orbax is not installed.
      Exception: whatever Orbax raises where it cannot read.
    """
    with silence_loggers(*_LOGGERS), _make_checkpointer() as checkpointer:
        tree = checkpointer.metadata(path.absolute()).item_metadata.tree
        whole = jax.tree.map(lambda _: _restore_to_host(), tree)
        found = checkpointer.restore(path.absolute(), restore_args=whole)
        leaves, _ = flatten_by_path(found)
        return {name: np.asarray(leaf) for name, leaf in leaves.items()}


def compare(expected: Mapping[str, str], found: Mapping[str, str]) -> None:
    """Raises :class:`Mismatch` at the first leaf that differs in type or shape."""
    for name in sorted(expected.keys() | found.keys()):
        here, there = (leaves.get(name, "nothing") for leaves in (expected, found))
        if here != there:
            raise Mismatch(name, here, there)


def to_host(tree: Any) -> dict[str, np.ndarray]:
    """Copies the leaves of a tree to the host, by path; keys of random streams as numbers."""
    return {path: np.asarray(_to_numbers(leaf)) for path, leaf in flatten_by_path(tree)[0].items()}


def describe_leaves(leaves: Mapping[str, Any]) -> dict[str, str]:
    """Describes every leaf by type and shape, as it is stored."""
    return {name: _describe(jax.eval_shape(_to_numbers, leaf)) for name, leaf in leaves.items()}


def restore_leaf(found: np.ndarray, like: Any) -> Array:
    """Restores a leaf from its stored array, of the kind and on the devices of ``like``."""
    if is_key(like):
        return jax.random.wrap_key_data(jnp.asarray(found), impl=_find_implementation(like))
    return jax.device_put(found, getattr(like, "sharding", None))


def explain(error: Exception) -> str:
    """Explains an error in a few words; TensorStore hides the system's in a long message."""
    code = re.search(r"os_error_code='(\d+)'", str(error))
    strerror = os.strerror(int(code.group(1))) if code else getattr(error, "strerror", None)
    return strerror or str(error).partition("\n")[0][:120] or type(error).__name__


def _to_numbers(leaf: Array) -> Array:
    return jax.random.key_data(leaf) if is_key(leaf) else leaf


def _find_implementation(like: Any) -> Any:
    """Finds the implementation of a key of a random stream, which may be its type alone."""
    found = []
    jax.eval_shape(lambda key: found.append(jax.random.key_impl(key)), like)
    return found[0]


def _to_path(name: str) -> str:
    return "" if name == _ROOT else name


def _describe(leaf: Any) -> str:
    return f"{leaf.dtype}{list(leaf.shape)}"


def _restore_to_host() -> Any:
    """Asks Orbax for an array of the host, wherever it lay when it was written."""
    import orbax.checkpoint as ocp

    return ocp.RestoreArgs(restore_type=np.ndarray)


def _make_checkpointer() -> Any:
    """Makes Orbax's writer and reader, for this process alone, even if it is one of several."""
    with name_extra("Checkpoints need orbax-checkpoint", "demo"):
        import orbax.checkpoint as ocp
    alone = ocp.options.MultiprocessingOptions(
        primary_host=0, active_processes={0}, barrier_sync_key_prefix="first"
    )
    handler = ocp.PyTreeCheckpointHandler(multiprocessing_options=alone)
    return ocp.Checkpointer(handler, multiprocessing_options=alone)
