"""StableHLO, the portable form of XLA's programs: runs in JAX without the network's code."""

from pathlib import Path

import jax
from jax import export

from sgl_jax._util.files import write_whole
from sgl_jax._util.packages import name_extra
from sgl_jax.compaction import Compacted
from sgl_jax.compaction.artifacts._function import with_any_batch


__all__ = ["export_stablehlo", "import_stablehlo"]

PLATFORMS = ("cpu", "cuda", "tpu")


def import_stablehlo() -> None:
    """Imports the package of this format.

    Raises:
      ImportError: it is not installed.
    """
    with name_extra("An export to StableHLO needs flatbuffers", "export"):
        import flatbuffers  # noqa: F401


def export_stablehlo(path: Path, network: Compacted) -> None:
    """Writes a network as a program for CPUs, GPUs and TPUs, with its parameters in it.

    To run it again: ``jax.export.deserialize(bytearray(path.read_bytes())).call(images)``, which
    gives the outputs as a list.

    Args:
      path: of the file; one that is there is replaced.
      network: from :func:`~sgl_jax.compact`, whose leaves of inputs are its arguments.

    Raises:
      ImportError: flatbuffers is not installed.
      OSError: the file cannot be written.
      ValueError: the shapes of the inputs are not known.
    """
    import_stablehlo()
    exported = with_any_batch(
        network,
        lambda function, shapes: export.export(jax.jit(function), platforms=PLATFORMS)(*shapes),
    )
    write_whole(path, bytes(exported.serialize()))
