"""Training on a fixed support, as a link at the end of a chain."""

from typing import NamedTuple

import jax.numpy as jnp
import optax
from jaxtyping import Array

from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Leaves, Params
from sgl_jax.groups import GroupingLike, by_neuron
from sgl_jax.transforms._links import GroupsLink, end_of_chain, required, select


__all__ = ["HeldZeros", "hold_zeros", "keep_support"]


def keep_support(grouping: GroupingLike = by_neuron()) -> optax.GradientTransformationExtraArgs:
    """Keeps zero weights zero: retrains a sparse network on its support; goes last in a chain.

    A penalty that made the zeros also made the other weights smaller. A few epochs of any optimizer
    without it, on the same support, give back what they lost. The mask is read off the parameters,
    so there is none to keep.

    Args:
      grouping: the leaves to keep zeros in; by default all kernels, since a bias may be zero for no
        other reason than that it starts there.

    Returns:
      An ``optax.GradientTransformationExtraArgs`` whose update needs ``params``.

    Raises:
      ValueError: parameters missing, or a grouping that matches no leaf.

    Example:
      >>> import jax.numpy as jnp, optax, sgl_jax as sgl
      >>> params = {"kernel": jnp.array([[0.5, 0.0], [0.0, -0.3]])}
      >>> tx = optax.chain(optax.sgd(0.1), sgl.keep_support())
      >>> updates, _ = tx.update({"kernel": jnp.ones((2, 2))}, tx.init(params), params)
      >>> print(optax.apply_updates(params, updates)["kernel"])
      [[ 0.4  0. ]
       [ 0.  -0.4]]
    """
    return end_of_chain("keep_support", GroupsLink(grouping, {}), _keep_zeros, permanent=True)


def _keep_zeros(link: GroupsLink, count: Array, w: Leaves, moved: Leaves) -> Leaves:
    """Takes the step, except where a weight is zero."""
    del link, count
    return {path: jnp.where(leaf == 0, leaf, moved[path]) for path, leaf in w.items()}


class HeldZeros(NamedTuple):
    """State of :func:`hold_zeros`.

    Attributes:
      support: masks of the weights that were not zero at the start, by path.
    """

    support: Leaves


def hold_zeros(grouping: GroupingLike = by_neuron()) -> optax.GradientTransformationExtraArgs:
    """Holds the weights at zero that are zero at the start, beside a link that sets zeros.

    It is no link, so the zeros of another one stay those of ``sparse_params``: behind
    :func:`~sgl_jax.admm` with :class:`~sgl_jax.Levels` a pruned network gets its levels on the
    support that it has. It masks the step, not the gradient, since moments would move the weights
    on.

    Args:
      grouping: the leaves to hold zeros in; by default all kernels.

    Returns:
      An ``optax.GradientTransformationExtraArgs`` whose update needs ``params``.

    Raises:
      ValueError: parameters missing, or a grouping that matches no leaf.
    """

    def init(params: Params) -> HeldZeros:
        leaves = select(params, grouping.resolve(params).paths)
        return HeldZeros({path: leaf != 0 for path, leaf in leaves.items()})

    def update(updates, state, params=None, **extra_args):
        del extra_args
        (masks, _), (steps, rebuild) = flatten_by_path(state.support), flatten_by_path(updates)
        w = select(required(params, "hold_zeros"), frozenset(masks))
        held = {
            path: jnp.where(masks[path], steps[path], -leaf.astype(steps[path].dtype))
            for path, leaf in w.items()
        }
        return rebuild(steps | held), state

    return optax.GradientTransformationExtraArgs(init, update)
