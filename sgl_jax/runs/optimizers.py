"""Catalogues of base optimizers and of learning-rate schedules."""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import optax

from sgl_jax._util.typing import Schedule


__all__ = ["OPTIMIZERS", "SCHEDULES", "bind_accepted", "constant", "cosine", "staircase"]


def constant(value: float, steps: int, milestones: Sequence[int], factor: float) -> Schedule:
    """Keeps the value at every step.

    Arguments as in :func:`staircase`.
    """
    del steps, milestones, factor
    return optax.constant_schedule(value)


def cosine(value: float, steps: int, milestones: Sequence[int], factor: float) -> Schedule:
    """Lowers the value along half a cosine to a hundredth.

    Arguments as in :func:`staircase`.
    """
    del milestones, factor
    return optax.cosine_decay_schedule(value, max(steps, 1), alpha=0.01)


def staircase(value: float, steps: int, milestones: Sequence[int], factor: float) -> Schedule:
    """Multiplies the value by a factor at each milestone.

    Args:
      value: value at the first step.
      steps: number of steps of the run.
      milestones: steps from which on the factor applies once more.
      factor: the factor.
    """
    del steps
    return optax.piecewise_constant_schedule(value, dict.fromkeys(milestones, factor))


OPTIMIZERS: dict[str, Callable[..., optax.GradientTransformation]] = {
    "adam": optax.adam,
    "adamw": optax.adamw,
    "sgd": optax.sgd,
}

SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": constant,
    "cosine": cosine,
    "staircase": staircase,
}


def bind_accepted(factory: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Binds to a factory those of the options that it has parameters for."""
    takes = inspect.signature(factory).parameters
    return partial(factory, **{name: value for name, value in options.items() if name in takes})
