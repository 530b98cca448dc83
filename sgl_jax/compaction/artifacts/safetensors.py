"""Safetensors: the parameters by path, for any framework, with plan and report as metadata."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sgl_jax._util.files import write_whole
from sgl_jax._util.orbax import compare, describe_leaves, to_host
from sgl_jax._util.safetensors import import_safetensors, read_safetensors
from sgl_jax._util.typing import Params
from sgl_jax.compaction import Compacted
from sgl_jax.compaction.artifacts._description import describe, read_description
from sgl_jax.compaction.artifacts._folder import restored


__all__ = ["export_safetensors", "load_safetensors"]

KEY = "sgl_jax"


def export_safetensors(path: Path, network: Compacted) -> None:
    """Writes the parameters of a network by path, with the plan and the report as metadata.

    Args:
      path: of the file; one that is there is replaced.
      network: from :func:`~sgl_jax.compact`.

    Raises:
      ImportError: safetensors is not installed.
      OSError: the file cannot be written.
    """
    write_whole(
        path,
        import_safetensors().numpy.save(to_host(network.params), metadata={KEY: describe(network)}),
    )


def load_safetensors(path: str | Path, apply: Callable[..., Any], like: Params) -> Compacted:
    """Makes a network of a file again, with all the checks of :func:`~sgl_jax.load_compact`.

    Args:
      path: of the file.
      apply: the function of the full network that was compacted.
      like: the parameters of that network, or their shapes.

    Raises:
      ImportError: safetensors is not installed.
      OSError: there is no such file.
      ValueError: it has no compacted network, a damaged one, or one of another network.
    """
    path = Path(path)
    content = path.read_bytes()

    def read(expected: Mapping[str, str]) -> dict[str, np.ndarray]:
        found = read_safetensors(content)
        compare(expected, describe_leaves(found))
        return found

    return restored(read_description(_metadata(content), str(path)), read, apply, like, path)


def _metadata(content: bytes) -> str:
    """The description in the head of a file, which is its length in 8 bytes, then JSON."""
    try:
        size = int.from_bytes(content[:8], "little")
        return json.loads(content[8 : 8 + size])["__metadata__"][KEY]
    except (KeyError, TypeError, ValueError):
        return "null"
