"""Relaxed variable splitting: the weights become their thresholded copy now and then."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from sgl_jax._util.pytree import flatten_by_path, pytree_dataclass
from sgl_jax._util.typing import Leaves, Params, Path, ScalarOrSchedule
from sgl_jax.algorithms._base import Base
from sgl_jax.regularizers import RegularizerLike, require_regularizer
from sgl_jax.transforms._links import (
    Link,
    LinkState,
    add_to,
    advance,
    check_sign,
    init_state,
    required,
    select,
)


__all__ = ["RelaxedState", "relaxed_splitting"]


@pytree_dataclass()
class _Envelope(Link):
    """A regularizer on a copy that is coupled to the weights: their Moreau envelope.

    Attributes:
      regularizer: the term.
      beta: strength of the coupling.
    """

    regularizer: RegularizerLike
    beta: Any

    def resolved(self, params: Params) -> "_Envelope":
        return dataclasses.replace(self, regularizer=self.regularizer.resolved(params))

    @property
    def paths(self) -> frozenset[Path]:
        return self.regularizer.paths

    def sparse(self, leaves: Leaves, z: Leaves | None) -> Leaves:
        """Computes the copy."""
        del z
        return self.regularizer.prox_leaves(leaves, 1.0 / self.beta)

    def value(self, leaves: Leaves) -> Array:
        """Computes the regularizer of the copy, and the coupling."""
        v = self.sparse(leaves, None)
        dtype = jnp.result_type(self.beta)
        gap = sum(jnp.sum((w - v[path]).astype(dtype) ** 2) for path, w in leaves.items())
        return self.regularizer.value_leaves(v) + 0.5 * self.beta * gap


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
    require_regularizer("relaxed_splitting", regularizer)
    link = _Envelope(regularizer, beta)
    optimizer = optax.with_extra_args_support(base(learning_rate))

    def init(params: Params) -> RelaxedState:
        return RelaxedState(init_state(link, params), optimizer.init(params))

    def update(updates, state, params=None, **extra_args):
        params = required(params, "relaxed_splitting")
        term, coupling = advance(link, state.link)
        w = select(params, term.paths)
        # The gradient of beta/2 |W - V|^2, then the step of the base optimizer.
        v = term.sparse(w, None)
        pull = jax.tree.map(lambda w, v: term.beta.astype(w.dtype) * (w - v), w, v)
        updates, inner = optimizer.update(add_to(updates, pull), state.base, params, **extra_args)
        # At a period, the step to V of where the step leads.
        leaves, rebuild = flatten_by_path(updates)
        steps = {path: leaves[path] for path in w}
        steps = jax.lax.cond(coupling.count % period == 0, _replace, _keep, term, w, steps)
        return rebuild(leaves | steps), RelaxedState(coupling, inner)

    return optax.GradientTransformationExtraArgs(init, update)


def _replace(link: _Envelope, w: Leaves, steps: Leaves) -> Leaves:
    """Computes the steps to the copy of where the steps lead."""
    moved = {path: optax.apply_updates(w[path], step) for path, step in steps.items()}
    v = link.sparse(moved, None)
    return {path: (v[path] - leaf).astype(steps[path].dtype) for path, leaf in w.items()}


def _keep(link: _Envelope, w: Leaves, steps: Leaves) -> Leaves:
    """Returns the steps as they are."""
    del link, w
    return steps
