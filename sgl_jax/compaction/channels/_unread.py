"""Arguments that a network never reads."""

from collections.abc import Mapping

import numpy as np

from sgl_jax._util.typing import Path
from sgl_jax.compaction.axes import Structure


__all__ = ["tie_unread"]


def tie_unread(structure: Structure, values: Mapping[Path, int]) -> None:
    """Ties every leaf that the network never reads to a leaf of its shape beside it, if any.

    So hidden averages of running statistics follow their channels. Other unread leaves stay whole.
    """
    for path, value in values.items():
        if value in structure.uses or value in structure.program.outputs:
            continue
        beside = [
            other
            for name, other in values.items()
            if name.rpartition("/")[0] == path.rpartition("/")[0]
            and other in structure.uses
            and structure.shape(other) == structure.shape(value)
        ]
        for k, axis in enumerate(structure.axes[value]):
            if axis is not None and beside:
                structure.sets.union(axis, np.asarray(structure.axes[beside[0]][k]))
            structure.sets.protect(None if beside else axis, f"{path} is never read")
