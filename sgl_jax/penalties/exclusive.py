"""Exclusive sparsity: the squared l1 norm."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from sgl_jax._numerics import in_working_precision, magnitude
from sgl_jax._pytree import pytree_dataclass
from sgl_jax._typing import Step, Strength
from sgl_jax.groupings import Grouping, by_neuron
from sgl_jax.groups import Group
from sgl_jax.penalties._base import NONNEGATIVE, Range, VectorPenalty


__all__ = ["Exclusive", "prox_exclusive"]


@pytree_dataclass()
class Exclusive(VectorPenalty):
    r"""Exclusive sparsity, for which the entries of a group compete.

    .. math:: \frac{\lambda}{2} \|w\|_1^2

    Every group that is not zero keeps its largest entries. As in combined group and exclusive
    sparsity the groups are those of the group lasso, :func:`~sgl_jax.by_neuron`, unless another
    grouping is given. Its prox is :func:`prox_exclusive`.

    Attributes:
      lam: strength :math:`\lambda \ge 0`, or a schedule.

    References:
      Zhou, Jin and Hoi, Exclusive lasso for multi-task feature selection, AISTATS 2010; Yoon and
      Hwang, Combined group and exclusive sparsity for deep neural networks, ICML 2017.
    """

    lam: Strength
    ranges: ClassVar[dict[str, Range]] = {"lam": NONNEGATIVE}
    default_grouping: ClassVar[Grouping] = by_neuron()

    def vector_value(self, w: Array) -> Array:
        return 0.5 * jnp.asarray(self.lam, w.dtype) * jnp.sum(magnitude(w)) ** 2

    def vector_prox(self, w: Array, step_size: Array) -> Array:
        return prox_exclusive(w, step_size, self.lam)


@in_working_precision
def prox_exclusive(w: Float[Array, "..."], step_size: Step, lam: Step) -> Float[Array, "..."]:
    r"""The proximal operator of :math:`\tfrac\lambda2 \|z\|_1^2`, all of ``w`` one group.

    With :math:`c = s\lambda` it is soft thresholding at the one :math:`\tau` for which

    .. math:: \tau = \frac{c \sum_{i \in A} |w_i|}{1 + c |A|}, \qquad A = \{i : |w_i| > \tau\},

    found by dropping entries from :math:`A` until none is left to drop. Entries that are not
    finite stay, and count nothing.

    Args:
      w: array of any shape.
      step_size: :math:`s \ge 0`, a scalar.
      lam: strength :math:`\lambda \ge 0`, a scalar.

    Returns:
      An array like ``w``.

    References:
      Yoon and Hwang, Combined group and exclusive sparsity for deep neural networks, ICML 2017;
      for the search Michelot, A finite algorithm for finding the projection of a point onto the
      canonical simplex, J. Optim. Theory Appl. 50, 1986.
    """
    c = jnp.multiply(step_size, lam)
    finite = jnp.isfinite(w)
    size = jnp.where(finite, jnp.where(w < 0, -w, w), 0.0)
    whole = Group.of_array(w.shape, tuple(range(w.ndim)))
    scale = whole.scale([size]).reshape(())
    size = size / scale
    # The thresholds do not depend on the peak, from which small differences are exact.
    peak = jax.lax.stop_gradient(jnp.max(size, initial=0.0))
    gap = peak - size
    rest = 1.0 / (1.0 + c)
    share = c * rest
    # Alone an entry is only divided by 1 + c, which is no kink at zero.
    alone = w.size == 1
    alive = _active(*jax.lax.stop_gradient((gap, peak, rest, share))) | alone
    below = _below_peak(gap, alive, peak, rest, share)
    tau = _solved(share * _total(size, alive), alive, rest, share)
    kept = jnp.where(2.0 * size > peak, below - gap, size - tau)
    kept = jnp.where((kept <= 0) & (c > 0) & (not alone), 0.0, kept)
    return jnp.where(finite, jnp.where(w < 0, -kept, kept) * scale, w)


def _active(gap: Array, peak: Array, rest: Array, share: Array) -> Bool[Array, "..."]:
    """The entries that survive."""

    def step(state):
        below, count, _ = state
        alive = gap < below
        return _below_peak(gap, alive, peak, rest, share), jnp.sum(alive, dtype=int), count

    def drops(state):
        return state[1] < state[2]

    everything = gap < jnp.inf
    below = _below_peak(gap, everything, peak, rest, share)
    count = jnp.sum(everything, dtype=int)
    below, _, _ = jax.lax.while_loop(drops, step, (below, count, count + 1))
    return gap < below


def _below_peak(gap: Array, alive: Array, peak: Array, rest: Array, share: Array) -> Array:
    """The peak less the threshold of an active set, without a difference."""
    return _solved(rest * peak + share * _total(gap, alive), alive, rest, share)


def _solved(total: Array, alive: Array, rest: Array, share: Array) -> Array:
    weight = rest + share * jnp.sum(alive, dtype=rest.dtype)
    return total / jnp.maximum(weight, jnp.finfo(rest.dtype).tiny)


def _total(entries: Array, alive: Array) -> Array:
    return jnp.sum(jnp.where(alive, entries, 0.0))
