"""Relaxed variable splitting: the weights become their thresholded copy now and then."""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax._util.typing import Params, ScalarOrSchedule
from sgl_jax.algorithms._base import Base
from sgl_jax.regularizers import RegularizerLike
from sgl_jax.transforms._links import (
    Leaves,
    LinkState,
    RegularizerLink,
    added,
    check_sign,
    in_force,
    planned,
    required,
    select,
    updated,
)


__all__ = ["RelaxedState", "relaxed_splitting"]


@pytree_dataclass()
class _Envelope(RegularizerLink):
    """A regularizer on a copy that is coupled to the weights: their Moreau envelope."""

    regularizer: RegularizerLike
    beta: Any

    sets_zeros: ClassVar[bool] = True
    splits: ClassVar[bool] = True

    def sparse(self, leaves: Leaves) -> Leaves:
        """The copy."""
        return self.regularizer.prox(leaves, 1.0 / self.beta)

    def value(self, leaves: Leaves) -> Array:
        """The regularizer of the copy, and the coupling."""
        v = self.sparse(leaves)
        dtype = jnp.result_type(self.beta)
        gap = sum(jnp.sum((w - v[path]).astype(dtype) ** 2) for path, w in leaves.items())
        return self.regularizer.value(v) + 0.5 * self.beta * gap


class RelaxedState(NamedTuple):
    """State of :func:`relaxed_splitting`.

    Attributes:
      link: state of the coupling.
      base: state of the base optimizer.
    """

    link: LinkState
    base: optax.OptState


def relaxed_splitting(
    learning_rate: ScalarOrSchedule,
    regularizer: RegularizerLike,
    *,
    beta: ScalarOrSchedule = 1e-2,
    period: int = 391,
    base: Base = optax.sgd,
) -> optax.GradientTransformationExtraArgs:
    r"""Splitting without a dual, whose weights are replaced by their copy at a period.

    .. math::
      V = \operatorname{prox}_{R/\beta}(W), \qquad
      W \leftarrow \text{a step on } L(W) + \tfrac\beta2 \|W - V\|_2^2, \qquad
      W \leftarrow V \text{ after every ``period`` updates}

    With :class:`~sgl_jax.L0` on the entries this is RVSM as its authors run it. For RGSM chain
    :func:`~sgl_jax.add_penalty_gradient` of the group lasso before it. The zeros are in :math:`V`,
    which :func:`~sgl_jax.sparse_params` returns; after every ``period`` updates also in :math:`W`.

    Args:
      learning_rate: a number or a schedule.
      regularizer: any with a prox.
      beta: coupling :math:`\beta > 0`, a number or a schedule; the default is the authors'.
      period: updates from one replacement to the next, >= 1; the default is an epoch of CIFAR-10 in
        batches of 128, as in the authors' scripts.
      base: factory of the base optimizer.

    Raises:
      ValueError: ``beta`` not positive, ``period`` below 1, or a grouping that matches no leaf.

    References:
      Dinh and Xin, Convergence of a relaxed variable splitting method for learning sparse neural
      networks via l1, l0, and transformed-l1 penalties, arXiv 1812.05719. Xue and Xin, Learning
      sparse neural networks via l0 and T-l1 by a relaxed variable splitting method, arXiv
      1902.07419.
    """
    check_sign("relaxed_splitting", positive=True, beta=beta)
    if period < 1:
        raise ValueError(f"relaxed_splitting needs period >= 1, got period={period}.")
    term = _Envelope(regularizer, beta)
    optimizer = optax.with_extra_args_support(base(learning_rate))

    def init(params: Params) -> RelaxedState:
        link = LinkState(jnp.zeros((), jnp.int32), *planned(term, params))
        return RelaxedState(link, optimizer.init(params))

    def update(updates, state, params=None, **extra_args):
        params, (count, strengths, plan) = required(params, "relaxed_splitting"), state.link
        strengths = in_force(term, strengths, count)
        link = plan.link(strengths)
        leaves = select(params, link.paths)
        pull = {p: link.beta.astype(w.dtype) * (w - v) for (p, w), v in _beside(link, leaves)}
        updates, inner = optimizer.update(added(updates, pull), state.base, params, **extra_args)
        count = optax.safe_increment(count)
        steps = select(updates, link.paths)
        steps = jax.lax.cond(count % period == 0, _replaced, _as_it_is, link, leaves, steps)
        updates = updated(updates, steps, lambda _, new: new)
        return updates, RelaxedState(LinkState(count, strengths, plan), inner)

    return optax.GradientTransformationExtraArgs(init, update)


def _beside(link: _Envelope, leaves: Leaves):
    """Every leaf beside its copy."""
    v = link.sparse(leaves)
    return ((item, v[item[0]]) for item in leaves.items())


def _replaced(link: _Envelope, leaves: Leaves, steps: Leaves) -> Leaves:
    """The step to the copy of where the step leads."""
    v = link.sparse({path: optax.apply_updates(w, steps[path]) for path, w in leaves.items()})
    return {path: (v[path] - w).astype(steps[path].dtype) for path, w in leaves.items()}


def _as_it_is(link: _Envelope, leaves: Leaves, steps: Leaves) -> Leaves:
    del link, leaves
    return steps
