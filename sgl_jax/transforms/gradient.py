"""The (sub)gradient of a regularizer, as a link before the base optimizer."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import optax

from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax._util.typing import Params
from sgl_jax.regularizers import RegularizerLike
from sgl_jax.transforms._links import (
    LinkState,
    RegularizerLink,
    added,
    in_force,
    planned,
    required,
    select,
)


__all__ = ["PenaltyGradient", "add_penalty_gradient"]


@pytree_dataclass()
class PenaltyGradient(RegularizerLink):
    """A regularizer that acts by its gradient."""

    regularizer: RegularizerLike

    sets_zeros: ClassVar[bool] = False


def add_penalty_gradient(regularizer: RegularizerLike) -> optax.GradientTransformation:
    r"""Adds a subgradient of a regularizer to the gradient; goes before the base optimizer.

    .. math:: g \leftarrow g + \partial R(W)

    At zero, of an entry or a group, the subgradient is zero. Training by subgradients shrinks
    weights but seldom makes one exactly zero; :func:`apply_prox` does.

    Args:
      regularizer: what to add; its strengths may be schedules.

    Returns:
      An ``optax.GradientTransformation`` whose update needs ``params``.

    Raises:
      ValueError: a penalty without a gradient (l0), parameters missing, or no leaf matches.
    """
    for penalty in regularizer.penalties:
        if not penalty.has_gradient:
            raise ValueError(
                f"add_penalty_gradient needs a penalty with a gradient, got "
                f"{type(penalty).__name__}; use apply_prox or sgl_transform."
            )
    term = PenaltyGradient(regularizer)

    def init(params: Params) -> LinkState:
        return LinkState(jnp.zeros((), jnp.int32), *planned(term, params))

    def update(updates, state, params=None):
        strengths = in_force(term, state.strengths, state.count)
        link = state.plan.link(strengths)
        leaves = select(required(params, "add_penalty_gradient"), link.paths)
        updates = added(updates, jax.grad(link.value)(leaves))
        count = optax.safe_increment(state.count)
        return updates, LinkState(count, strengths, state.plan)

    return optax.GradientTransformation(init, update)
