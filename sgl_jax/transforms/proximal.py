"""Proximal steps: a link for the end of a chain, and optimizers that own their chain."""

from typing import Any, NamedTuple

import jax
import optax
from jaxtyping import Array

from sgl_jax._util.typing import Leaves, Params, ScalarOrSchedule
from sgl_jax.directions import Direction
from sgl_jax.regularizers import RegularizerLike
from sgl_jax.transforms._links import (
    LinkState,
    RegularizerLink,
    advance,
    check_sign,
    end_of_chain,
    init_state,
    replace_steps,
    required,
    select,
    watch_zeros,
)


__all__ = ["ProximalState", "apply_prox", "proximal"]


def apply_prox(
    regularizer: RegularizerLike, step_size: ScalarOrSchedule
) -> optax.GradientTransformationExtraArgs:
    r"""Makes the step of a chain a proximal step; goes last, after the learning rate.

    .. math:: u \leftarrow \operatorname{prox}_{\text{step\_size} \cdot R}(p + u) - p

    Where the prox is zero, the parameter is exactly zero after ``optax.apply_updates``; elsewhere
    it is off by a rounding error of :math:`p`. Behind a gradient step of rate :math:`\eta`,
    ``step_size`` is :math:`\eta`. Behind an optimizer that rescales its gradient (Adam) the fixed
    point is another: use :func:`proximal`, which knows the metric.

    A link that comes after it undoes the zeros. It cannot see such a link, but it keeps how many
    zeros it asked for in each leaf; if two calls in a row come with fewer, :func:`check` and
    :func:`sparse_params` raise.

    Args:
      regularizer: what to apply; its strengths may be schedules.
      step_size: :math:`\ge 0`, a number or a schedule.

    Returns:
      An ``optax.GradientTransformationExtraArgs`` whose update needs ``params``. It ignores extra
      arguments.

    Raises:
      ValueError: a negative step size, parameters missing, or a grouping that matches no leaf.

    Example:
      >>> import jax.numpy as jnp, optax, sgl_jax as sgl
      >>> params = jnp.array([1.0, 0.05])
      >>> tx = optax.chain(optax.sgd(0.1), sgl.apply_prox(sgl.Regularizer(sgl.L1(lam=1.0)), 0.1))
      >>> updates, _ = tx.update(jnp.zeros(2), tx.init(params), params)
      >>> print(optax.apply_updates(params, updates))
      [0.9 0. ]
    """
    check_sign("apply_prox", step_size=step_size)
    link = RegularizerLink(regularizer, {"step_size": step_size}, zeros="parameters")
    return end_of_chain("apply_prox", link, _shrink)


def _shrink(link: RegularizerLink, count: Array, w: Leaves, moved: Leaves) -> Leaves:
    """Takes the prox of where the step leads."""
    del count, w
    return link.regularizer.prox_leaves(moved, link.numbers["step_size"])


class ProximalState(NamedTuple):
    """State of :func:`proximal`.

    Attributes:
      direction: state of the direction.
      prox: state of the proximal step; its ``strengths["step_size"]`` is the learning rate.
    """

    direction: Any
    prox: LinkState


_NOT_GIVEN = object()


def proximal(
    direction: Direction | optax.GradientTransformation,
    regularizer: RegularizerLike | None,
    learning_rate: ScalarOrSchedule,
    *,
    metric: Any = _NOT_GIVEN,
) -> optax.GradientTransformationExtraArgs:
    r"""A proximal optimizer that owns its chain: order, rate and metric cannot be got wrong.

    With the direction :math:`u` and its metric :math:`d`,

    .. math::
      p \leftarrow \arg\min_z \; \eta R(z) + \tfrac12 \sum_i d_i (z_i - (p_i - \eta u_i))^2.

    Something that runs after it undoes the zeros all the same; :func:`check` finds out as with
    :func:`apply_prox`, but looks at a sixteenth of the entries at most, in three leaves.

    Args:
      direction: from :mod:`sgl_jax.directions`, or an Optax transformation that does not scale by
        the learning rate (``optax.scale_by_lion()``) with ``metric=None`` beside it.
      regularizer: its strengths may be schedules. ``None`` for none: then this is the base
        optimizer.
      learning_rate: :math:`\eta \ge 0`, a number or a schedule.
      metric: for a bare Optax transformation: ``None`` to take Euclidean steps, or a function
        from its state to a positive tree like the parameters.

    Returns:
      An ``optax.GradientTransformationExtraArgs`` whose update needs ``params``.

    Raises:
      ValueError: a negative rate, a bare transformation without ``metric``, parameters missing,
        or a grouping that matches no leaf.
    """
    check_sign("proximal", learning_rate=learning_rate)
    direction = _with_metric(direction, metric)
    if regularizer is None:
        plain = optax.GradientTransformation(direction.init, direction.update)
        return optax.chain(plain, optax.scale_by_learning_rate(learning_rate))
    link = RegularizerLink(regularizer, {"step_size": learning_rate}, zeros="parameters")

    def init(params: Params) -> ProximalState:
        # It owns its chain, so it watches a sample only: counting all costs a quarter of Adam.
        prox = watch_zeros(init_state(link, params), params, sampled=True)
        return ProximalState(direction.init(params), prox)

    def update(updates, state, params=None, **extra_args):
        del extra_args
        params = required(params, "proximal")
        term, prox = advance(link, state.prox)
        rate = term.numbers["step_size"]
        # u and d, then p - rate u, then its prox in the metric d.
        updates, inner = direction.update(updates, state.direction, params)
        d = None if direction.metric is None else select(direction.metric(inner), term.paths)
        updates = jax.tree.map(lambda u: -rate.astype(u.dtype) * u, updates)
        shrink = lambda w, moved: term.regularizer.prox_leaves(moved, rate, d)  # noqa: E731
        updates, prox = replace_steps(updates, prox, params, shrink)
        return updates, ProximalState(inner, prox)

    return optax.GradientTransformationExtraArgs(init, update)


def _with_metric(direction: Direction | optax.GradientTransformation, metric: Any) -> Direction:
    """Makes a direction of a bare Optax transformation and its metric."""
    if isinstance(direction, Direction):
        return direction
    if metric is _NOT_GIVEN:
        raise ValueError(
            "proximal needs to know the metric of a bare Optax transformation, got none; "
            "give metric=None for Euclidean steps, or a direction of sgl_jax.directions."
        )
    return Direction(direction.init, direction.update, metric)
