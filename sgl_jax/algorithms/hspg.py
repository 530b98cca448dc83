"""Half-space stochastic projected gradient."""

from typing import Any, ClassVar

import jax.numpy as jnp
import optax
from jaxtyping import Array

from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax._util.typing import ArrayLike, ScalarOrSchedule
from sgl_jax.algorithms._base import Base
from sgl_jax.groups import GroupingLike
from sgl_jax.regularizers import RegularizerLike
from sgl_jax.transforms import add_penalty_gradient
from sgl_jax.transforms._links import GroupsLink, Leaves, last


__all__ = ["hspg"]


@pytree_dataclass(static=("begin",))
class _HalfSpace(GroupsLink):
    """Groups whose step turns back become zero, and stay it."""

    zeros_last: ClassVar[bool] = True

    grouping: GroupingLike
    begin: int
    epsilon: Any

    def target(self, leaves: Leaves, moved: Leaves, count: Array, metric: Leaves | None) -> Leaves:
        """The step, or zero for a group that leaves its half-space."""
        del metric
        found, begun = dict(moved), count >= self.begin
        for family in self.grouping.resolve(leaves):
            paths = [member.path for member in family.members]
            parts = [leaves[path] for path in paths]
            inverse = 1.0 / family.scale(parts)
            old = family.each(jnp.multiply, parts, inverse)
            new = family.each(jnp.multiply, [moved[path] for path in paths], inverse)
            along = family.sum([a * b for a, b in zip(old, new, strict=True)])
            square = family.sum([a * a for a in old])
            back = (along < self.epsilon.astype(square.dtype) * square) | (square == 0)
            kept = family.each(_unless, [moved[path] for path in paths], back & begun)
            found.update(zip(paths, kept, strict=True))
        return found


def _unless(w: Array, dead: Array) -> Array:
    return jnp.where(dead, 0, w)


def hspg(
    learning_rate: ScalarOrSchedule,
    regularizer: RegularizerLike,
    *,
    begin: int = 0,
    epsilon: ArrayLike = 0.0,
    base: Base = optax.sgd,
) -> optax.GradientTransformation:
    r"""Subgradient steps, and zero for the groups whose step turns back.

    With :math:`\tilde w` where the base optimizer leads on :math:`L + R`, from step ``begin`` on

    .. math::
      w_g \leftarrow \begin{cases} 0 & \langle \tilde w_g, w_g \rangle < \epsilon \|w_g\|_2^2 \\
      \tilde w_g & \text{otherwise} \end{cases}

    and what is zero stays zero. Its zeros are in the weights. They need no prox, so groups may be
    anything that has a value, but a group that dies by a noisy step does not come back.

    Args:
      learning_rate: a number or a schedule.
      regularizer: any whose penalties have a gradient; its groups are those that become zero.
      begin: steps before the first group may become zero, >= 0.
      epsilon: :math:`\epsilon \in [0, 1)`; larger ones make more groups zero.
      base: factory of the base optimizer.

    Raises:
      ValueError: a penalty without a gradient, a number out of its range, or no leaf matches.

    References:
      Chen and others, Only train once: a one-shot neural network training and pruning framework,
      NeurIPS 2021.
    """
    if begin < 0 or (isinstance(epsilon, float | int) and not 0 <= epsilon < 1):
        raise ValueError(
            f"hspg needs begin >= 0 and epsilon in [0, 1), got begin={begin}, epsilon={epsilon}."
        )
    half_space = last(_HalfSpace(regularizer.grouping, begin, epsilon), "hspg")
    return optax.chain(add_penalty_gradient(regularizer), base(learning_rate), half_space)
