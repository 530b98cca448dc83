"""Exports of compacted networks, as programs that run."""

import warnings
from collections.abc import Callable
from pathlib import Path

from jax import export

import sgl_jax as sgl


def exported(folder: Path, small: sgl.Compacted) -> Callable:
    """Exports a network to StableHLO, without a warning, and loads it."""
    path = folder / "small.stablehlo"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sgl.export(path, small)
    return export.deserialize(bytearray(path.read_bytes())).call
