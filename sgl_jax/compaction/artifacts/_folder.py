"""Compacted networks in a folder of their own: ``plan.json``, and the parameters by Orbax."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sgl_jax._util import orbax
from sgl_jax._util.files import replace_folder
from sgl_jax._util.orbax import Mismatch, describe_leaves, explain, restore_leaf, to_host
from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Params
from sgl_jax.compaction import Compacted, Narrowed, Plan
from sgl_jax.compaction.artifacts._description import (
    Description,
    describe,
    outputs_of,
    read_description,
)


__all__ = ["load_compact", "make_write_error", "restored", "save_compact"]

PLAN, PARAMS = "plan.json", "params"

Read = Callable[[Mapping[str, str]], dict[str, np.ndarray]]
"""Reads the arrays of a network, given the type and shape expected of each by its name."""


def save_compact(path: str | Path, network: Compacted) -> None:
    """Saves a compacted network: its parameters, and the positions that stay of every leaf.

    The folder appears by one rename, when all of it is there. Code is not stored:
    :func:`~sgl_jax.load_compact` takes the function of the full network.

    Args:
      path: of the folder; a compacted network that is there is replaced, anything else is not.
      network: from :func:`~sgl_jax.compact`.

    Raises:
      ImportError: orbax-checkpoint is not installed.
      OSError: the folder has something else in it or cannot be written, or the disk is full.

    Example:
      >>> import jax.numpy as jnp, sgl_jax as sgl, tempfile
      >>> def apply(params, x):
      ...     return jnp.maximum(x @ params["a"], 0.0) @ params["b"]
      >>> params = {"a": jnp.ones((3, 4)).at[:, 1].set(0), "b": jnp.ones((4, 2))}
      >>> small = sgl.compact(apply, params, jnp.ones((1, 3)))
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     sgl.save_compact(f"{folder}/small", small)
      ...     again = sgl.load_compact(f"{folder}/small", apply, params)
      >>> again.params["a"].shape
      (3, 3)
    """
    path = Path(path)
    if path.exists() and not (path / PLAN).exists() and not _is_empty(path):
        raise FileExistsError(
            f"A compacted network needs a folder of its own, got {path}, which holds something "
            "else: choose another one."
        )
    try:
        with replace_folder(path) as part:
            (part / PLAN).write_text(describe(network), encoding="utf-8")
            orbax.write(part / PARAMS, to_host(network.params))
    except ImportError:
        raise
    except Exception as error:
        raise make_write_error(path, explain(error)) from error


def make_write_error(path: Path, why: str) -> OSError:
    """Makes the error of a folder that cannot be written."""
    return OSError(
        f"A compacted network needs a disk that can be written, got '{why}' for {path}: free some "
        "space, or choose another folder."
    )


def load_compact(path: str | Path, apply: Callable[..., Any], like: Params) -> Compacted:
    """Loads a compacted network.

    Every leaf is compared with the plan and with ``like`` by name, shape and type, and ``apply`` is
    traced; nothing is restored in part.

    Args:
      path: of the folder.
      apply: the function of the full network that was compacted.
      like: the parameters of that network, or their shapes (``nnx.eval_shape``); what comes has
        their structure. Values are not read.

    Raises:
      ImportError: orbax-checkpoint is not installed.
      OSError: there is no such folder.
      ValueError: it has no compacted network, a damaged one, or one of another network.
    """
    path = Path(path)
    if not path.is_dir():
        raise FileNotFoundError(f"A compacted network needs its folder, got none at {path}.")
    try:
        text = (path / PLAN).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"A compacted network needs its {PLAN}, got none in {path}: check its name."
        ) from error
    description = read_description(text, str(path / PLAN))
    return restored(
        description, lambda expected: orbax.read(path / PARAMS, expected), apply, like, path
    )


def restored(
    description: Description, read: Read, apply: Callable[..., Any], like: Params, path: Path
) -> Compacted:
    """Makes a network of its description and of arrays that are read and compared with it."""
    description.check(like, str(path))
    full, rebuild = flatten_by_path(like)
    leaves = dict(description.plan.leaves)
    plan = Plan(tuple((name, leaves[name]) for name in full))
    narrow = {
        name: jax.ShapeDtypeStruct(leaf.narrow_shape, jnp.result_type(full[name]))
        for name, leaf in plan.leaves
    }
    try:
        found = read(describe_leaves(narrow))
    except ImportError:
        raise
    except Mismatch as odd:
        raise ValueError(
            f"A compacted network needs the arrays of its plan, which has {odd.here} at "
            f"{odd.name!r}, got {odd.there} there in {path}."
        ) from odd
    except Exception as error:
        raise ValueError(
            f"A compacted network needs to be whole, got '{explain(error)}' for {path}: save it "
            "anew."
        ) from error
    params = rebuild({name: restore_leaf(found[name], leaf) for name, leaf in narrow.items()})
    network = Compacted(params, Narrowed(apply, plan), description.report, plan, description.inputs)
    _check_function(network, description, path)
    return network


def _check_function(network: Compacted, description: Description, path: Path) -> None:
    """Refuses a function that does not fit the parameters, by tracing it."""
    try:
        outputs = tuple(outputs_of(network.apply, network.params, network.inputs))
    except Exception as error:
        why = f"one that fails: {str(error).partition('.')[0][:160]}"
        raise ValueError(_other_function(path, why)) from error
    if outputs != description.outputs:
        why = f"one with outputs {', '.join(outputs)} in the place of {description.outputs}"
        raise ValueError(_other_function(path, why))


def _other_function(path: Path, why: str) -> str:
    return f"A compacted network needs the `apply` it was made from, got for {path} {why}."


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())
