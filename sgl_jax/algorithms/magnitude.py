"""Gradual magnitude pruning."""

from typing import ClassVar, cast

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax._util.typing import ScalarOrSchedule
from sgl_jax.algorithms._base import Base
from sgl_jax.groups import GroupFamily
from sgl_jax.penalties import TopK
from sgl_jax.regularizers import Regularizer, RegularizerLike
from sgl_jax.transforms._links import LastLink, Leaves, RegularizerLink, last
from sgl_jax.transforms.schedules import ramp


__all__ = ["magnitude"]


@pytree_dataclass(static=("begin", "steps", "period"))
class _Pruning(RegularizerLink, LastLink):
    """Zeros stay zero, and at a period the smallest weights join them."""

    zeros_last: ClassVar[bool] = True

    regularizer: Regularizer
    begin: int
    steps: int
    period: int

    def target(self, leaves: Leaves, moved: Leaves, count: Array, metric: Leaves | None) -> Leaves:
        """The step where a weight is left, and at a period the largest of those."""
        del metric
        kept = {path: jnp.where(w == 0, w, moved[path]) for path, w in leaves.items()}
        due = (count - self.begin) % self.period == 0
        pruned = jax.lax.cond(due, self._pruned, lambda kept, count: kept, kept, count)
        started = count >= self.begin
        return {path: jnp.where(started, w, moved[path]) for path, w in pruned.items()}

    def _pruned(self, leaves: Leaves, count: Array) -> Leaves:
        left = ramp(1.0, 0.0, begin=self.begin, steps=self.steps)(count)
        top, found = cast(TopK, self.regularizer.penalty), dict(leaves)
        for family, _ in self.regularizer.weighted(leaves, disjoint=True):
            parts = [leaves[member.path] for member in family.members]
            largest = top.keep(parts, family, _between(top.count(family), family, left))
            found.update(zip((member.path for member in family.members), largest, strict=True))
        return found


def _between(end: Array, family: GroupFamily, left: Array) -> Array:
    """So many entries of a group: ``end`` of them, and of the others the share ``left``."""
    size = family.sizes
    others = jnp.maximum(size - end, 0)
    return jnp.minimum(end, size) + jnp.ceil(left * others.astype(left.dtype)).astype(end.dtype)


def magnitude(
    learning_rate: ScalarOrSchedule,
    regularizer: RegularizerLike,
    *,
    begin: int = 0,
    steps: int = 10_000,
    period: int = 100,
    base: Base = optax.adam,
) -> optax.GradientTransformation:
    r"""Removes the smallest weights little by little, many at first.

    From the step :math:`t_0` on, at every ``period``-th step, the largest of each group stay,

    .. math:: k_t = k + (|g| - k) \Bigl(1 - \frac{t - t_0}{n}\Bigr)^3

    of them until :math:`k` are left; what is zero stays zero. Its zeros are in the weights.

    Args:
      learning_rate: a number or a schedule.
      regularizer: ``Regularizer(TopK(k))``: what is to be left of every layer, or, with
        ``by_tree()``, of the network.
      begin: :math:`t_0 \ge 0`.
      steps: :math:`n \ge 1`.
      period: steps from one removal to the next, >= 1.
      base: factory of the base optimizer.

    Raises:
      ValueError: another regularizer, a number out of its range, or no leaf matches.

    References:
      Zhu and Gupta, To prune, or not to prune: exploring the efficacy of pruning for model
      compression, ICLR workshop 2018.
    """
    if not isinstance(regularizer, Regularizer) or not isinstance(regularizer.penalty, TopK):
        names = ", ".join(type(penalty).__name__ for penalty in regularizer.penalties)
        raise ValueError(
            f"magnitude needs a Regularizer with TopK, which says what is to be left, got {names}."
        )
    if begin < 0 or steps < 1 or period < 1:
        raise ValueError(
            f"magnitude needs begin >= 0, steps >= 1 and period >= 1, got begin={begin}, "
            f"steps={steps}, period={period}."
        )
    link = _Pruning(regularizer, begin, steps, period)
    return optax.chain(base(learning_rate), last(link, "magnitude"))
