"""Catalogues of base optimizers and of learning-rate schedules."""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import optax

from sgl_jax._util.typing import Schedule


__all__ = ["OPTIMIZERS", "SCHEDULES", "bind_accepted", "constant", "cosine", "staircase"]


def constant(value: float) -> Schedule:
    """Keeps the value at every step.

    Args:
      value: the value.
    """
    return optax.constant_schedule(value)


def cosine(value: float, steps: int, *, alpha: float = 0.01) -> Schedule:
    """Lowers the value along half a cosine, to a hundredth by default.

    Args:
      value: value at the first step.
      steps: number of steps of the run.
      alpha: share of the value at the last step, in [0, 1].
    """
    return optax.cosine_decay_schedule(value, max(steps, 1), alpha=alpha)


def staircase(value: float, milestones: Sequence[int], decay: float) -> Schedule:
    """Multiplies the value by a factor at each milestone.

    Args:
      value: value at the first step.
      milestones: steps from which on the factor applies once more.
      decay: the factor, > 0.
    """
    return optax.piecewise_constant_schedule(value, dict.fromkeys(milestones, decay))


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


def bind_accepted(factory: Callable[..., Any], **options: Any) -> partial[Any]:
    """Binds to a factory those of the options that it has parameters for.

    Raises:
      ValueError: a setting has bound one of them already.
    """
    make = factory.func if isinstance(factory, partial) else factory
    # The metaclass of a class may take any arguments, as that of nnx.Module does.
    make = make.__init__ if isinstance(make, type) else make
    accepted = inspect.signature(make).parameters.keys() & options.keys()
    bound = factory.keywords if isinstance(factory, partial) else {}
    for name in accepted & bound.keys():
        raise ValueError(
            f"{name} needs one value, got {bound[name]} by a setting and {options[name]} by an "
            "option or the data set: leave one out."
        )
    return partial(factory, **{name: options[name] for name in options if name in accepted})
