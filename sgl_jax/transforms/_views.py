"""Views of an Optax state: exact zeros, misuse, gap and penalty of the links somewhere in it."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Leaves, Params
from sgl_jax.transforms._links import Link, LinkState, select


__all__ = ["check", "link_states", "penalty_value", "sparse_params", "splitting_gap"]


def link_states(opt_state: Any) -> list[LinkState]:
    """Finds the state of every link, wherever it is in an Optax state."""
    leaves = jax.tree.leaves(opt_state, is_leaf=lambda node: isinstance(node, LinkState))
    states = [leaf for leaf in leaves if isinstance(leaf, LinkState)]
    if not states:
        raise ValueError(
            "This needs an Optax state with a link of sgl_jax in it (sgl_transform, apply_prox, "
            "proximal, add_penalty_gradient), got none."
        )
    return states


class _Found(NamedTuple):
    """A link found in a state, with its strengths in force, and the leaves it acts on.

    Attributes:
      link: the link.
      leaves: the parameters.
      z: the copy of them that the state keeps, if it does.
    """

    link: Link
    leaves: Leaves
    z: Leaves | None

    @property
    def sparse(self) -> Leaves | None:
        """The leaves with their exact zeros; see :meth:`Link.sparse`."""
        return self.link.sparse(self.leaves, self.z)


def _links(opt_state: Any, params: Params) -> Iterator[_Found]:
    """Finds every link in an Optax state, with its leaves."""
    for state in link_states(opt_state):
        link, z = state.link, None if state.z is None else flatten_by_path(state.z)[0]
        yield _Found(link, select(params, link.paths if z is None else frozenset(z)), z)


def check(opt_state: Any) -> None:
    """Raises if something ran after a link that goes last and undid it; silent under ``jit``.

    Those are the proximal steps, whose zeros are then gone, and the methods whose parameters
    belong to another iterate (``fista``, ``schedule_free``), which is then another's.

    Args:
      opt_state: any Optax state with links of this package in it.

    Raises:
      ValueError: no such link, or parameters that were not what a link had asked for.
    """
    for state in link_states(opt_state):
        if state.watch is None:
            continue
        (mismatches,) = jax.tree.leaves(state.watch.mismatches)
        if not isinstance(mismatches, jax.core.Tracer) and jnp.any(mismatches > 1):
            raise ValueError(state.watch.complaint)


def sparse_params(opt_state: Any, params: Params) -> Params:
    """Returns the parameters with their exact zeros.

    After :func:`sgl_transform` the zeros are in the auxiliary copy ``v``, after a proximal step in
    the parameters themselves, after a method that keeps arrays with zeros (``admm``, ``fista``) in
    those; a link that only adds a gradient sets none. Links are found wherever
    they are: behind ``chain``, ``masked``, ``partition``, ``MultiSteps``, ``apply_if_finite``,
    ``inject_hyperparams``, ``nnx.Optimizer``.

    Args:
      opt_state: any Optax state with links of this package in it.
      params: the parameters it belongs to.

    Returns:
      A tree like ``params``.

    Raises:
      ValueError: no link found, two links that set zeros on one leaf, or something that ran after
        a link that goes last (see :func:`check`).
    """
    check(opt_state)
    leaves, rebuild = flatten_by_path(params)
    sparse: Leaves = {}
    for found in _links(opt_state, params):
        zeros = found.sparse
        if zeros is None:
            continue
        if twice := sorted(sparse.keys() & found.leaves.keys()):
            raise ValueError(
                f"A leaf needs one link that sets its zeros, got two for {', '.join(twice)}; give "
                "them groupings with only= or skip=."
            )
        sparse.update(zeros)
    return rebuild(leaves | sparse)


def splitting_gap(opt_state: Any, params: Params) -> Array:
    r"""Measures how far the splitting is from agreement: :math:`\|w - v\|_2 / \|w\|_2`, a scalar.

    Args:
      opt_state: a state with :func:`sgl_transform` in it, or with another link whose zeros are not
        in the parameters; those whose zeros are count nothing.
      params: the parameters it belongs to.

    Returns:
      A scalar :math:`\ge 0` over the leaves that are split; 0 if they are all zero.

    Raises:
      ValueError: no link found.
    """
    gap = total = jnp.zeros(())
    for found in _links(opt_state, params):
        v = found.sparse
        if v is None or v is found.leaves:
            continue
        for path, w in found.leaves.items():
            gap += jnp.sum((w - v[path]).astype(gap.dtype) ** 2)
            total += jnp.sum(w.astype(gap.dtype) ** 2)
    return jnp.sqrt(gap / jnp.where(total > 0, total, 1.0))


def penalty_value(opt_state: Any, params: Params) -> Array:
    """Computes what the links of a state add to the loss, a scalar.

    For :func:`sgl_transform` that is the split penalty (group lasso, penalty of ``v``, coupling),
    for the others the value of their regularizer.

    Args:
      opt_state: any Optax state with links of this package in it.
      params: the parameters it belongs to.

    Raises:
      ValueError: no link found.
    """
    total = jnp.zeros(())
    for found in _links(opt_state, params):
        leaves = found.leaves if found.z is None else found.z
        total += found.link.value(leaves).astype(total.dtype)
    return total
