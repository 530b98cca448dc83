"""Schedules for strengths and sparsities: functions of the step count."""

import jax.numpy as jnp
import optax

from sgl_jax._util.typing import Schedule


__all__ = ["ramp", "warmup"]


def warmup(value: float, steps: int) -> Schedule:
    r"""Rises linearly from 0 to ``value`` in so many steps, and stays there.

    A network that is regularised from its first step on can lose layers before it has learnt what
    they are for.

    Args:
      value: what is reached; a strength.
      steps: :math:`\ge 0`; 0 for ``value`` at once.

    Returns:
      A schedule, as ``lam`` of a penalty or ``beta`` of a link takes.

    Raises:
      ValueError: fewer than 0 steps.

    Example:
      >>> import sgl_jax as sgl
      >>> penalty = sgl.L1(lam=sgl.warmup(1e-3, steps=500))
    """
    if steps < 0:
        raise ValueError(f"warmup needs steps >= 0, got steps={steps}.")
    return optax.linear_schedule(0.0, value, steps) if steps else optax.constant_schedule(value)


def ramp(start: float, end: float, *, begin: int = 0, steps: int, power: float = 3.0) -> Schedule:
    r"""Goes from one value to another, fast at first: the cubic of gradual pruning.

    .. math:: e + (s - e) (1 - \tau)^p, \qquad
      \tau = \operatorname{clip}\Bigl(\frac{t - t_0}{n}, 0, 1\Bigr)

    Args:
      start: the value :math:`s` up to the step ``begin``.
      end: the value :math:`e` from the step ``begin + steps`` on.
      begin: :math:`t_0`.
      steps: :math:`n \ge 1`.
      power: :math:`p > 0`; 1 is a straight line.

    Returns:
      A schedule.

    Raises:
      ValueError: no steps, or a power that is not positive.

    References:
      Zhu and Gupta, To prune, or not to prune: exploring the efficacy of pruning for model
      compression, ICLR workshop 2018.
    """
    if steps < 1 or power <= 0:
        raise ValueError(f"ramp needs steps >= 1 and power > 0, got steps={steps}, power={power}.")

    def schedule(count):
        left = 1.0 - jnp.clip((count - begin) / steps, 0.0, 1.0)
        return end + (start - end) * left**power

    return schedule
