"""Training of weights on levels, by the straight-through estimator."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Leaves, Params, ScalarOrSchedule
from sgl_jax.algorithms._base import Base
from sgl_jax.algorithms._quantisation import (
    Fit,
    count_changes,
    refit_levels_if,
    require_levels,
    round_to_levels,
    start_levels,
)
from sgl_jax.regularizers import RegularizerLike
from sgl_jax.transforms._links import (
    LinkState,
    RegularizerLink,
    advance,
    init_state,
    required,
    select,
)


__all__ = ["StraightThroughState", "straight_through"]


class StraightThroughState(NamedTuple):
    r"""State of :func:`straight_through`.

    Attributes:
      copy: state of the link; its ``z`` are the weights on levels, by path.
      w: the weights :math:`W` that are rounded, by path.
      fit: intervals and support.
      start: codes of the first rounding, by path.
      changed: codes that differ from it.
      base: state of the base optimizer.
    """

    copy: LinkState
    w: Leaves
    fit: Fit
    start: Leaves
    changed: Array
    base: optax.OptState


def straight_through(
    learning_rate: ScalarOrSchedule,
    regularizer: RegularizerLike,
    *,
    refit: int = 100,
    base: Base = optax.adam,
) -> optax.GradientTransformationExtraArgs:
    r"""Steps on weights of full precision, by the gradient at the weights on levels.

    .. math::
      W &\leftarrow \text{a step on } \nabla L(Q(W)) \\
      \text{weights} &\leftarrow Q(W)

    with the nearest levels :math:`Q`, as if their derivative were one. Weights that are zero at the
    start stay zero. Its levels are in the weights but for rounding, and exactly in a copy, which
    :func:`~sgl_jax.sparse_params` returns. ``optax.tree.get(state, "changed")`` counts the codes
    that are others than at the start.

    Args:
      learning_rate: a number or a schedule.
      regularizer: ``Regularizer(Levels(count))``.
      refit: updates from one fit of the interval to the next; 0 keeps the first.
      base: factory of the base optimizer.

    Raises:
      ValueError: another regularizer, a negative ``refit``, or no leaf matches.

    References:
      Bengio, Léonard and Courville, Estimating or propagating gradients through stochastic neurons
      for conditional computation, arXiv 1308.3432. Hubara and others, Quantized neural networks,
      JMLR 18, 2018.
    """
    require_levels("straight_through", regularizer)
    if refit < 0:
        raise ValueError(f"straight_through needs refit >= 0, got refit={refit}.")
    link = RegularizerLink(regularizer, {}, zeros="copy")
    optimizer = optax.with_extra_args_support(base(learning_rate))

    def init(params: Params) -> StraightThroughState:
        copy = init_state(link, params)
        w = select(params, copy.link.paths)
        fit, (z, start) = start_levels(copy.link, w)
        w = jax.tree.map(jnp.copy, w)
        changed = jnp.zeros((), jnp.int32)
        return StraightThroughState(
            copy._replace(z=z), w, fit, start, changed, optimizer.init(params)
        )

    def update(updates, state, params=None, **extra_args):
        params = required(params, "straight_through")
        due = state.copy.count % refit == refit - 1 if refit else jnp.zeros((), bool)
        term, copy = advance(link, state.copy)
        (leaves, rebuild), (w, _) = flatten_by_path(params), flatten_by_path(state.w)
        full = rebuild(leaves | w)
        updates, inner = optimizer.update(updates, state.base, full, **extra_args)
        steps, rebuild = flatten_by_path(updates)
        w = _move(w, steps, flatten_by_path(state.fit.support)[0])
        fit = refit_levels_if(due, term.regularizer, w, state.fit)
        z, codes = round_to_levels(term.regularizer, w, fit)
        changes = {path: (z[path] - leaves[path]).astype(steps[path].dtype) for path in w}
        changed = count_changes(codes, state.start)
        state = StraightThroughState(copy._replace(z=z), w, fit, state.start, changed, inner)
        return rebuild(steps | changes), state

    return optax.GradientTransformationExtraArgs(init, update)


def _move(w: Leaves, steps: Leaves, support: Leaves) -> Leaves:
    """Takes the steps on the support."""
    moved = {path: optax.apply_updates(leaf, steps[path]) for path, leaf in w.items()}
    return {path: jnp.where(support[path], leaf, 0) for path, leaf in moved.items()}
