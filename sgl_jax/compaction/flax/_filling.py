"""Fills a Flax module with arrays that were stored, which may be narrower than its own."""

import re
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from sgl_jax._util.pytree import flatten_by_path, is_key
from sgl_jax._util.typing import Path
from sgl_jax.compaction.flax._modes import split
from sgl_jax.compaction.flax._sizes import resize


__all__ = ["fill_module"]

PAIR = re.compile(r"^[01]/")
"""Begins the paths of a network's parameters, and of the rest of its arrays, where the two are a
pair."""


def fill_module(module: nnx.Module, leaves: Mapping[Path, Any]) -> nnx.Module:
    """Makes a module like another one of other arrays, with the sizes of its layers set to match.

    So a compacted network becomes a module again: the arrays are those that were stored, such as
    what :func:`~sgl_jax.load_archive` returns. Paths may begin with ``0/`` and ``1/``, as those of
    a pair of parameters and statistics do. Random streams stay those of the module.

    A network that was compacted as a function (:func:`~sgl_jax.compact`) and divides by a number of
    channels, as an RMSNorm does, needs another epsilon as a module: compare its outputs.

    Args:
      module: a module of the class, such as the full network; it stays as it is.
      leaves: the arrays by path.

    Raises:
      ValueError: an array is missing, is one too many, or has another type or number of axes.

    Example:
      >>> import jax.numpy as jnp, sgl_jax as sgl
      >>> from flax import nnx
      >>> model = nnx.Linear(3, 2, rngs=nnx.Rngs(0))
      >>> small = fill_module(model, {"kernel": jnp.ones((2, 2)), "bias": jnp.zeros(2)})
      >>> small.in_features, small(jnp.ones((1, 2))).tolist()
      (2, [[2.0, 2.0]])
    """
    graphdef, state, rest = split(module)
    here, rebuild = flatten_by_path(state)
    (others, _) = flatten_by_path(rest)
    named = {PAIR.sub("", path): leaf for path, leaf in leaves.items()}
    kept = {path for path, leaf in here.items() if is_key(leaf)} | others.keys()
    for path in sorted((here.keys() | named.keys()) - kept):
        expected, got = (_describe(found.get(path)) for found in (here, named))
        if expected != got:
            raise ValueError(
                f"{type(module).__name__} needs the arrays of a network of its class, with "
                f"{expected} at {path!r}, got {got}."
            )
    filled = {p: leaf if p in kept else jnp.asarray(named[p]) for p, leaf in here.items()}
    small = nnx.merge(graphdef, rebuild(filled), rest, copy=True)
    resize(small)
    return small


def _describe(leaf: Any) -> str:
    return "nothing" if leaf is None else f"{leaf.dtype} of {np.ndim(leaf)} axes"
