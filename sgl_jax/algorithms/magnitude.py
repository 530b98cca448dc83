"""Gradual magnitude pruning."""

import dataclasses
from functools import partial
from typing import cast

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from sgl_jax._util.typing import Leaves, Params, ScalarOrSchedule
from sgl_jax.algorithms._base import Base
from sgl_jax.groups import GroupFamily, GroupingLike, Groups, Member
from sgl_jax.penalties import TopK
from sgl_jax.regularizers import Regularizer, RegularizerLike, require_regularizer
from sgl_jax.transforms._links import RegularizerLink, end_of_chain
from sgl_jax.transforms.schedules import ramp


__all__ = ["magnitude"]


def magnitude(
    learning_rate: ScalarOrSchedule,
    regularizer: RegularizerLike,
    *,
    begin: int = 0,
    steps: int = 10_000,
    period: int = 100,
    together: bool = False,
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
      together: take all groups of the regularizer for one, so that layers share what is left.
      base: factory of the base optimizer.

    Raises:
      ValueError: another regularizer, a number out of its range, or no leaf matches.

    References:
      Zhu and Gupta, To prune, or not to prune: exploring the efficacy of pruning for model
      compression, ICLR workshop 2018.
    """
    require_regularizer("magnitude", regularizer)
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
    if together:
        joined = _Together(regularizer.grouping)
        regularizer = dataclasses.replace(regularizer, grouping=joined)  # pyrefly: ignore
    link = RegularizerLink(regularizer, {}, zeros="parameters")
    left = ramp(1.0, 0.0, begin=begin, steps=steps)

    def target(link: RegularizerLink, count: Array, w: Leaves, moved: Leaves) -> Leaves:
        nonzero = {path: jnp.where(leaf == 0, leaf, moved[path]) for path, leaf in w.items()}
        due, begun = (count - begin) % period == 0, count >= begin
        prune = partial(_prune, cast(Regularizer, link.regularizer), left(count))
        pruned = jax.lax.cond(due, prune, dict, nonzero)
        return {path: jnp.where(begun, leaf, moved[path]) for path, leaf in pruned.items()}

    return optax.chain(base(learning_rate), end_of_chain("magnitude", link, target, permanent=True))


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class _Together:
    """All leaves of a grouping as one group."""

    grouping: GroupingLike

    def resolve(self, params: Params) -> Groups:
        """Finds the leaves that the grouping finds."""
        found = {
            member.path: member.shape
            for each in self.grouping.resolve(params)
            for member in each.members
        }
        members = [
            Member(path, shape, tuple(range(len(shape))), (0,)) for path, shape in found.items()
        ]
        return Groups((GroupFamily(tuple(members)),))


def _prune(regularizer: Regularizer, left: Array, leaves: Leaves) -> Leaves:
    """Sets the smallest weights of every group to zero, but for a share of those that may go."""
    top, found = cast(TopK, regularizer.penalty), dict(leaves)
    for family, _ in regularizer.families(leaves, disjoint=True):
        paths = [member.path for member in family.members]
        count = _interpolate(top.count(family), family, left)
        largest = top.keep([leaves[path] for path in paths], family, count)
        found.update(zip(paths, largest, strict=True))
    return found


def _interpolate(end: Array, family: GroupFamily, left: Array) -> Array:
    """Computes the entries of a group to keep: ``end`` of them, and a share of the others."""
    size = family.original_sizes
    others = jnp.maximum(size - end, 0)
    return jnp.minimum(end, size) + jnp.ceil(left * others.astype(left.dtype)).astype(end.dtype)
