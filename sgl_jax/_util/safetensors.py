"""The format of safetensors: arrays by name in one file, whatever their precision."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from sgl_jax._util.packages import name_extra


__all__ = ["import_safetensors", "read_safetensors"]


def read_safetensors(content: bytes) -> dict[str, np.ndarray]:
    """Reads the arrays in the bytes of a file.

    Raises:
      ImportError: safetensors is not installed.
      Exception: whatever safetensors raises where it cannot read.
    """
    return {name: _decode(**stored) for name, stored in import_safetensors().deserialize(content)}


def import_safetensors() -> Any:
    """Imports the package.

    Raises:
      ImportError: it is not installed.
    """
    with name_extra("Files of safetensors need safetensors", "export"):
        import safetensors.numpy  # which importing safetensors alone leaves out
    return safetensors


def _decode(dtype: str, shape: Sequence[int], data: bytes | bytearray) -> np.ndarray:
    """Decodes an array; the library's own reader knows no half precision but NumPy's."""
    name = {"BOOL": "bool", "BF16": "bfloat16"}.get(dtype)
    name = name or {"F": "float", "I": "int", "U": "uint"}[dtype[0]] + dtype[1:]
    return np.frombuffer(data, jnp.dtype(name)).reshape(shape)
