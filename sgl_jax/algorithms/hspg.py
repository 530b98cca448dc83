"""Half-space stochastic projected gradient."""

import jax.numpy as jnp
import optax
from jaxtyping import Array

from sgl_jax._util.typing import ArrayLike, Leaves, ScalarOrSchedule
from sgl_jax.algorithms._base import Base
from sgl_jax.groups import resolved_groups
from sgl_jax.regularizers import RegularizerLike, require_regularizer
from sgl_jax.transforms import add_penalty_gradient
from sgl_jax.transforms._links import GroupsLink, end_of_chain


__all__ = ["hspg"]


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
    require_regularizer("hspg", regularizer)
    link = GroupsLink(regularizer.grouping, {"epsilon": epsilon})

    def target(link: GroupsLink, count: Array, w: Leaves, moved: Leaves) -> Leaves:
        return _project(link, count >= begin, w, moved)

    project = end_of_chain("hspg", link, target, permanent=True)
    return optax.chain(add_penalty_gradient(regularizer), base(learning_rate), project)


def _project(link: GroupsLink, begun: Array, w: Leaves, moved: Leaves) -> Leaves:
    """Takes the step, or zero for a group that leaves its half-space or is zero already."""
    found, epsilon = dict(moved), link.numbers["epsilon"]
    for family in resolved_groups(link.grouping).check(w):
        paths = [member.path for member in family.members]
        parts, steps = [w[path] for path in paths], [moved[path] for path in paths]
        # <w~_g, w_g> and |w_g|^2, in units of the largest entry of the group.
        inverse = 1.0 / family.scale(parts)
        old, new = (family.each(jnp.multiply, x, inverse) for x in (parts, steps))
        along = family.sum([a * b for a, b in zip(old, new, strict=True)])
        square = family.sum([a * a for a in old])
        back = (along < epsilon.astype(square.dtype) * square) | (square == 0)
        projected = family.each(_unless, steps, back & begun)
        found.update(zip(paths, projected, strict=True))
    return found


def _unless(w: Array, dead: Array) -> Array:
    return jnp.where(dead, 0, w)
