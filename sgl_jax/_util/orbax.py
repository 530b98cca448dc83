"""The leaves of a tree on disk, by Orbax: written whole or not at all, read whole or not at all.

Orbax writes a folder under another name and renames it when all of it is there. It reads whatever
it finds, so that names, types and shapes are compared before.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from sgl_jax._util.pytree import flatten_by_path, is_key
from sgl_jax._util.quiet import quiet, undisturbed


__all__ = ["Mismatch", "compare", "forms", "plain_leaves", "read", "reason", "typed", "write"]

_LOGGERS = ("absl", "asyncio")
_ROOT = "."
"""Stored for the path of a tree that is a leaf, which is empty, as no name in Orbax may be."""


class Mismatch(ValueError):
    """A leaf on disk is not the one that is expected.

    Attributes:
      name: of the leaf.
      here: type and shape that are expected, or "nothing".
      there: those on disk.
    """

    def __init__(self, name: str, here: str, there: str) -> None:
        super().__init__(name, here, there)
        self.name, self.here, self.there = name, here, there


def write(path: Path, leaves: Mapping[str, np.ndarray]) -> None:
    """Writes a folder, in the place of one that is there.

    Args:
      path: of the folder.
      leaves: by name, those of :func:`plain_leaves`.

    Raises:
      ImportError: Orbax is not installed.
      Exception: whatever Orbax raises where it cannot write; :func:`reason` says it in a few words.
    """
    with undisturbed(), quiet(*_LOGGERS), _checkpointer() as checkpointer:
        named = {name or _ROOT: leaf for name, leaf in leaves.items()}
        checkpointer.save(path.absolute(), named, force=True)


def read(path: Path, expected: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Reads a folder.

    Args:
      path: of the folder.
      expected: what must be in it, from :func:`forms`.

    Raises:
      ImportError: Orbax is not installed.
      Mismatch: a leaf is missing, is one too many, or has another type or shape.
      Exception: whatever Orbax raises where it cannot read.
    """
    with quiet(*_LOGGERS), _checkpointer() as checkpointer:
        metadata = checkpointer.metadata(path.absolute()).item_metadata
        stored = {} if metadata is None else metadata.tree
        if not stored:
            raise OSError("no readable metadata")
        compare(expected, {_path(name): _form(leaf) for name, leaf in stored.items()})
        found = checkpointer.restore(path.absolute())
        return {_path(name): leaf for name, leaf in found.items()}


def compare(expected: Mapping[str, str], found: Mapping[str, str]) -> None:
    """Raises :class:`Mismatch` at the first leaf that is not the same."""
    for name in sorted(expected.keys() | found.keys()):
        here, there = (forms.get(name, "nothing") for forms in (expected, found))
        if here != there:
            raise Mismatch(name, here, there)


def plain_leaves(tree: Any) -> dict[str, np.ndarray]:
    """The leaves of a tree by path, on the host; keys of random streams as their numbers."""
    return {path: np.asarray(_numbers(leaf)) for path, leaf in flatten_by_path(tree)[0].items()}


def forms(leaves: Mapping[str, Any]) -> dict[str, str]:
    """Type and shape of every leaf, as it is stored."""
    return {name: _form(jax.eval_shape(_numbers, leaf)) for name, leaf in leaves.items()}


def typed(found: np.ndarray, like: Any) -> Array:
    """An array that was stored as what it was, and where another one of its kind is."""
    if is_key(like):
        return jax.random.wrap_key_data(jnp.asarray(found), impl=_implementation(like))
    return jax.device_put(found, getattr(like, "sharding", None))


def reason(error: Exception) -> str:
    """What went wrong, in a few words; TensorStore hides the system's error in a long message."""
    code = re.search(r"os_error_code='(\d+)'", str(error))
    strerror = os.strerror(int(code.group(1))) if code else getattr(error, "strerror", None)
    return strerror or str(error).partition("\n")[0][:120] or type(error).__name__


def _numbers(leaf: Array) -> Array:
    return jax.random.key_data(leaf) if is_key(leaf) else leaf


def _implementation(like: Any) -> Any:
    """Of a key of a random stream, which may be no more than its type."""
    found = []
    jax.eval_shape(lambda key: found.append(jax.random.key_impl(key)), like)
    return found[0]


def _path(name: str) -> str:
    return "" if name == _ROOT else name


def _form(leaf: Any) -> str:
    return f"{leaf.dtype}{list(leaf.shape)}"


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
