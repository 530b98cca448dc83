"""The (sub)gradient of a regularizer, as a link before the base optimizer."""

import jax
import optax

from sgl_jax._util.typing import Params
from sgl_jax.regularizers import RegularizerLike, require_regularizer
from sgl_jax.transforms._links import (
    LinkState,
    RegularizerLink,
    add_to,
    advance,
    init_state,
    required,
    select,
)


__all__ = ["add_penalty_gradient"]


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
    require_regularizer("add_penalty_gradient", regularizer)
    for penalty in regularizer.penalties:
        if not penalty.has_gradient:
            raise ValueError(
                f"add_penalty_gradient needs a penalty with a gradient, got "
                f"{type(penalty).__name__}; use apply_prox or sgl_transform."
            )
    link = RegularizerLink(regularizer, {}, zeros="nowhere")

    def init(params: Params) -> LinkState:
        return init_state(link, params)

    def update(updates, state, params=None):
        term, state = advance(link, state)
        w = select(required(params, "add_penalty_gradient"), term.paths)
        return add_to(updates, jax.grad(term.value)(w)), state

    return optax.GradientTransformation(init, update)
