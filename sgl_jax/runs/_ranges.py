"""Ranges of the options of a run."""

import math
from collections.abc import Callable
from typing import Any

from sgl_jax.runs.parts import Options


__all__ = ["refuse_outside"]

RANGES: dict[str, tuple[tuple[str, ...], Callable[[Any], bool]]] = {
    ">= 0": (
        ("lam", "group_lam", "lam_warmup", "momentum", "weight_decay", "holdout"),
        lambda value: value >= 0,
    ),
    "> 0": (("beta", "beta_growth", "learning_rate", "decay"), lambda value: value > 0),
    "between 0 and 1": (
        ("shrink_at", "target_flops", "target_params", "target_sparsity"),
        lambda value: 0 < value < 1,
    ),
    "> 0 and <= 1": (("finish",), lambda value: 0 < value <= 1),
    ">= 1": (("epochs", "batch_size"), lambda value: value >= 1),
    "of a height and a width >= 1 and 1 or 3 channels": (
        ("image_shape",),
        lambda value: min(value) >= 1 and value[2] in (1, 3),
    ),
    "in ascending order from 1 on": (
        ("milestones",),
        lambda value: list(value) == sorted(set(value)) and (not value or value[0] >= 1),
    ),
}
"""The ranges in words, with the options that they are of."""


def refuse_outside(options: Options) -> None:
    """Raises ``ValueError`` if an option is not finite, or out of its range.

    Args:
      options: the values of all options; ``None`` is in every range.
    """
    for name, value in options.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"A run needs a finite {name}, got {name}={value}.")
    for words, (names, holds) in RANGES.items():
        for name in names:
            value = options[name]
            if value is not None and not holds(value):
                raise ValueError(f"A run needs {name} {words}, got {name}={value}.")
