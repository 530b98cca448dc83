"""Training on a fixed support, as a link at the end of a chain."""

from typing import ClassVar

import jax.numpy as jnp
import optax
from jaxtyping import Array

from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax.groups import GroupingLike, by_neuron
from sgl_jax.transforms._links import GroupsLink, Leaves, last


__all__ = ["Support", "keep_support"]


@pytree_dataclass()
class Support(GroupsLink):
    """What is zero stays zero.

    Attributes:
      grouping: names the leaves it acts on.
    """

    grouping: GroupingLike

    zeros_last: ClassVar[bool] = True

    def target(self, leaves: Leaves, moved: Leaves, count: Array, metric: Leaves | None) -> Leaves:
        """The step, except where a weight is zero."""
        del count, metric
        return {path: jnp.where(w == 0, w, moved[path]) for path, w in leaves.items()}


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
    return last(Support(grouping), "keep_support")
