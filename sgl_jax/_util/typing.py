"""Names of the types in the signatures of the package."""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import numpy as np


__all__ = [
    "ArrayLike",
    "Axes",
    "Leaves",
    "Params",
    "Path",
    "ScalarOrSchedule",
    "Schedule",
    "Updates",
]

Params: TypeAlias = Any
"""Any pytree of arrays: an NNX state, a Linen dict, an Equinox module, a Haiku dict, one array."""

Updates: TypeAlias = Any
"""A pytree of the structure of the parameters, to be added to them."""

Path: TypeAlias = str
"""The normalised name of a leaf in a pytree, ``conv1/kernel``."""

Leaves: TypeAlias = dict[Path, jax.Array]
"""Some leaves of a tree by path; itself a tree whose leaves have the same paths."""

Axes: TypeAlias = tuple[int, ...]
"""The axes of a leaf that one group spans; ``()`` makes every entry a group of its own."""

ArrayLike: TypeAlias = float | int | np.number | np.ndarray | jax.Array
"""A real number, or an array that broadcasts against the groups; traced or not."""

Schedule: TypeAlias = Callable[[Any], Any]
"""A function of the step count."""

ScalarOrSchedule: TypeAlias = ArrayLike | Schedule
"""A strength or a rate: a number, an array, or a schedule that an Optax link evaluates."""
