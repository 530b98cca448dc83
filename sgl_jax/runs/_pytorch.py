"""Arrays of PyTorch, by the names and with the axes that Flax gives them."""

from collections.abc import Mapping

import numpy as np


__all__ = ["convert", "is_from_pytorch"]

_LEAVES = {"running_mean": "mean", "running_var": "var"}
"""Names of arrays, where they are others than in PyTorch."""

_MANY_DEVICES = "module."

_COUNTER = "num_batches_tracked"
"""An array that Flax has none of."""


def is_from_pytorch(names: Mapping[str, object]) -> bool:
    """True if arrays have the names of PyTorch's layers, and none those of Flax's."""
    leaves = {name.rpartition(".")[2] for name in names}
    return "weight" in leaves and "kernel" not in leaves


def convert(arrays: Mapping[str, np.ndarray], layers: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Renames arrays of PyTorch, and turns their axes as Flax has them.

    Kernels get their outputs last and their inputs before: those of convolutions are HWIO, not
    OIHW. The inputs of a dense layer behind a flattening stay in PyTorch's order.

    Args:
      arrays: the arrays of a ``state_dict`` by name; the prefix ``module.`` of a network that was
        trained on many devices does not count.
      layers: the paths of layers by the names that they have in PyTorch; the others keep theirs.

    Example:
      >>> import numpy as np
      >>> found = convert({"conv1.weight": np.zeros((8, 3, 5, 5))}, {"conv1": "stem"})
      >>> {name: array.shape for name, array in found.items()}
      {'stem/kernel': (5, 5, 3, 8)}
    """
    found = {}
    for name, array in arrays.items():
        layer, _, leaf = name.removeprefix(_MANY_DEVICES).rpartition(".")
        if leaf == _COUNTER:
            continue
        if leaf == "weight":
            leaf = "kernel" if array.ndim > 1 else "scale"
            array = np.moveaxis(array, (0, 1), (-1, -2)) if array.ndim > 1 else array
        path = layers.get(layer, layer.replace(".", "/"))
        found[f"{path}/{_LEAVES.get(leaf, leaf)}"] = array
    return found
