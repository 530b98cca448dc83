"""Arguments that a network never reads."""

from collections.abc import Mapping

import numpy as np

from sgl_jax._util.typing import Path
from sgl_jax.compaction.axes._structure import Structure


__all__ = ["tie_unread"]


def tie_unread(structure: Structure, values: Mapping[Path, int]) -> None:
    """Leaves that the network never reads follow a leaf of their shape beside them, if any.

    So do the counters and hidden averages of running statistics. Others stay whole.
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
                structure.classes.tie(axis, np.asarray(structure.axes[beside[0]][k]))
            structure.classes.protect(None if beside else axis, f"{path} is never read")
