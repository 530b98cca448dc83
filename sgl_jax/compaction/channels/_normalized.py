"""Kernels that are normalized over the channels that they read."""

import numpy as np

from sgl_jax.compaction.axes import Structure
from sgl_jax.compaction.channels._roles import made_from_inputs, reading_axes
from sgl_jax.compaction.program import made_from


__all__ = ["protect_normalized"]


def protect_normalized(structure: Structure) -> None:
    """Protects the channels over which a kernel that reads them is summed before it does.

    A norm or a mean of such a kernel, as of weight normalization, has a share of every channel that
    it reads, also of one that is zero.
    """
    from_inputs, find = made_from_inputs(structure), structure.sets.find
    sums = [
        (contraction.equation, value, structure.axes[value][at])
        for contraction in structure.contractions
        if from_inputs.isdisjoint(contraction.equation.inputs)
        for value, at in zip(contraction.equation.inputs, contraction.axes, strict=False)
    ]
    for kernel, k in reading_axes(structure) if sums else ():
        read = set(find(np.asarray(structure.axes[kernel][k])).tolist())
        made = made_from(structure.program.equations, {kernel})
        for equation, value, axis in sums:
            if value in made and axis is not None and not read.isdisjoint(find(axis).tolist()):
                structure.protect(axis, equation, "sums a kernel that reads it")
