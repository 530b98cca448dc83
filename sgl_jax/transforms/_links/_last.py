"""Links for the end of a chain, which say where the step should land."""

import abc
import dataclasses
from typing import ClassVar, NamedTuple, TypeVar

import jax.numpy as jnp
import optax
from jaxtyping import Array

from sgl_jax._util.numerics import flushed
from sgl_jax._util.typing import Params, Path, Updates
from sgl_jax.groups import GroupingLike, resolved_paths
from sgl_jax.transforms._links._footprint import Footprint, sample
from sgl_jax.transforms._links._link import (
    Leaves,
    Link,
    Plan,
    Strengths,
    in_force,
    planned,
    required,
    select,
    updated,
)


__all__ = ["GroupsLink", "LastLink", "LastState", "landed", "last", "started"]

G = TypeVar("G", bound="GroupsLink")


class LastLink(Link):
    """A link that replaces the step; its exact zeros are in the parameters themselves.

    Attributes:
      zeros_last: whether what it has set to zero must be zero ever after.
    """

    sets_zeros: ClassVar[bool] = True
    zeros_last: ClassVar[bool] = False

    @abc.abstractmethod
    def target(self, leaves: Leaves, moved: Leaves, count: Array, metric: Leaves | None) -> Leaves:
        """Where the leaves should be after the update.

        Args:
          leaves: what they are.
          moved: what they would be without this link.
          count: updates so far.
          metric: the diagonal in which the step was one along the gradient; ``None`` for Euclidean.
        """


class GroupsLink(LastLink):
    """A link that looks at groups of weights and adds nothing to the loss.

    Attributes:
      grouping: the groups, and with them the leaves it acts on.
    """

    grouping: GroupingLike

    @property
    def paths(self) -> frozenset[Path]:
        return resolved_paths(self.grouping)

    def resolved(self: G, params: Params) -> G:
        return dataclasses.replace(self, grouping=self.grouping.resolve(params))  # pyrefly: ignore

    def sparse(self, leaves: Leaves) -> Leaves:
        """The leaves as they are."""
        return leaves

    def value(self, leaves: Leaves) -> Array:
        """Zero."""
        del leaves
        return jnp.zeros(())


class LastState(NamedTuple):
    """State of a link at the end of a chain.

    Attributes:
      count: updates so far.
      strengths: the strengths in force, by name.
      plan: the rest of the link, resolved.
      footprint: what the last update asked for, and how often it was not found.
    """

    count: Array
    strengths: Strengths
    plan: Plan[LastLink]
    footprint: Footprint


def last(link: LastLink, name: str) -> optax.GradientTransformationExtraArgs:
    """The Optax transformation of a link; ``name`` is what its user calls it."""

    def init(params: Params) -> LastState:
        return started(link, params, sampled=False)

    def update(updates, state, params=None, **extra_args):
        del extra_args
        params = required(params, name)
        strengths = in_force(link, state.strengths, state.count)
        return landed(updates, state._replace(strengths=strengths), params)

    return optax.GradientTransformationExtraArgs(init, update)


def started(link: LastLink, params: Params, *, sampled: bool) -> LastState:
    """The state before the first update; its footprint watches all leaves, or a :func:`sample`."""
    strengths, plan = planned(link, params)
    leaves = select(params, plan.link(strengths).paths)
    footprint = Footprint.empty(sample(leaves) if sampled else leaves)
    return LastState(jnp.zeros((), jnp.int32), strengths, plan, footprint)


def landed(
    updates: Updates,
    state: LastState,
    params: Params,
    metric: Params | None = None,
    **instead: Array,
) -> tuple[Updates, LastState]:
    """The step that lands where the link wants, and the state after it.

    Args:
      updates: the step without the link.
      state: the state, with the strengths of this update in force.
      params: the parameters.
      metric: as in :meth:`LastLink.target`, a tree like the parameters.
      **instead: strengths that hold at this update alone.
    """
    link = state.plan.link(state.strengths | instead)
    leaves, steps = select(params, link.paths), select(updates, link.paths)
    metrics = None if metric is None else select(metric, link.paths)
    moved = {path: optax.apply_updates(w, steps[path]) for path, w in leaves.items()}
    target = link.target(leaves, moved, state.count, metrics)
    target = {path: flushed(z) for path, z in target.items()}
    change = {path: target[path] - w for path, w in leaves.items()}
    count = optax.safe_increment(state.count)
    footprint = state.footprint.followed(leaves, target, link.zeros_last)
    state = state._replace(count=count, footprint=footprint)
    return updated(updates, change, lambda _, new: new), state
