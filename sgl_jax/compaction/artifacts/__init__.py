"""Compacted networks on disk: saved, loaded, and exported to run without their code.

A format is one file, one line in :data:`EXPORTERS` and one in :data:`PACKAGES`.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from sgl_jax._util.safetensors import import_safetensors
from sgl_jax.compaction import Compacted
from sgl_jax.compaction.artifacts._biases import round_biases as round_biases
from sgl_jax.compaction.artifacts._folder import (
    load_compact as load_compact,
    make_write_error as make_write_error,
    save_compact as save_compact,
)
from sgl_jax.compaction.artifacts._qwix import to_qwix as to_qwix
from sgl_jax.compaction.artifacts.onnx import (
    export_onnx as export_onnx,
    import_onnx,
)
from sgl_jax.compaction.artifacts.safetensors import (
    export_safetensors as export_safetensors,
    load_safetensors as load_safetensors,
)
from sgl_jax.compaction.artifacts.sgl import (
    export_sgl as export_sgl,
    load_archive as load_archive,
    measure_archive as measure_archive,
)
from sgl_jax.compaction.artifacts.stablehlo import (
    export_stablehlo as export_stablehlo,
    import_stablehlo,
)


__all__ = [
    "EXPORTERS",
    "check_packages",
    "export",
    "export_onnx",
    "export_safetensors",
    "export_sgl",
    "export_stablehlo",
    "load_archive",
    "load_compact",
    "load_safetensors",
    "make_write_error",
    "measure_archive",
    "round_biases",
    "save_compact",
    "to_qwix",
]

EXPORTERS: dict[str, Callable[[Path, Compacted], None]] = {
    "onnx": export_onnx,
    "safetensors": export_safetensors,
    "sgl": export_sgl,
    "stablehlo": export_stablehlo,
}
"""Formats by name, which is the ending of their files."""

PACKAGES: dict[str, Callable[[], Any]] = {
    "onnx": import_onnx,
    "safetensors": import_safetensors,
    "sgl": lambda: None,
    "stablehlo": import_stablehlo,
}
"""Imports the packages of a format, by its name."""


def check_packages(formats: Iterable[str]) -> None:
    """Raises ``ImportError`` unless the packages of some formats are installed.

    Args:
      formats: names of formats.
    """
    for name in formats:
        PACKAGES[name]()


def export(path: str | Path, network: Compacted) -> None:
    """Writes a compacted network in the format that the ending of the file names.

    - ``.stablehlo`` runs in JAX without the network's code:
      ``jax.export.deserialize(bytearray(Path(path).read_bytes())).call(images)``.
    - ``.onnx`` runs without JAX:
      ``onnxruntime.InferenceSession(path).run(None, {"input0": images})``.
    - ``.safetensors`` has the parameters by path; :func:`load_safetensors` makes a network of
      them again.
    - ``.sgl`` has the parameters by path, those on levels in very few bytes;
      :func:`~sgl_jax.load_archive` reads them.

    Args:
      path: of the file; one that is there is replaced.
      network: from :func:`~sgl_jax.compact` or :func:`~sgl_jax.load_compact`.

    Raises:
      ImportError: the packages of the format are not installed.
      OSError: the file cannot be written.
      ValueError: an unknown ending, or a network that the format cannot express.
    """
    path = Path(path)
    exporter = EXPORTERS.get(path.suffix.removeprefix("."))
    if exporter is None:
        endings = ", ".join(f".{name}" for name in EXPORTERS)
        raise ValueError(
            f"An export needs a file that ends in one of {endings}, got {str(path)!r}."
        )
    exporter(path, network)
