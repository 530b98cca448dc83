"""Exclusive sparsity: the squared l1 norm."""

from collections.abc import Sequence
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sgl_jax._util.numerics import in_working_precision, magnitude
from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax._util.typing import ArrayLike, ScalarOrSchedule
from sgl_jax._util.xla import indicator
from sgl_jax.groups import GroupFamily, Grouping, by_neuron
from sgl_jax.penalties._base import NONNEGATIVE, Range
from sgl_jax.penalties._vector import VectorPenalty
from sgl_jax.penalties.l1 import prox_l1


__all__ = ["Exclusive", "prox_exclusive"]


@pytree_dataclass()
class Exclusive(VectorPenalty):
    r"""Exclusive sparsity, for which the entries of a group compete.

    .. math:: \frac{\lambda}{2} \|w\|_1^2

    Every group that is not zero keeps its largest entries. As in combined group and exclusive
    sparsity the groups are those of the group lasso, :func:`~sgl_jax.by_neuron`, unless another
    grouping is given. Its prox is :func:`prox_exclusive`.

    Combined group and exclusive sparsity (CGES) is its sum with the group lasso, without weights:

    .. math:: \lambda \sum_g \Bigl( (1 - \mu) \|w_g\|_2 + \frac\mu2 \|w_g\|_1^2 \Bigr)

    :func:`~sgl_jax.cges` trains it as published. The prox of one after that of the other, in
    whichever order, is not the prox of the sum; for the sum itself the two are split, the group
    lasso on the weights and the exclusive part on their copy, as below;
    ``SparseGroup(Exclusive(...), L1(...), weight=None)`` has its value and its subgradient.

    At a glance:
      phi: :math:`\lambda \lVert w \rVert_1^2 / 2` of a filter, or of what reads one input
      its prox jumps: never
      large weights lose: a share of the group
      source: Zhou, Jin, Hoi 2010

    Attributes:
      lam: strength :math:`\lambda \ge 0`, or a schedule.

    Example:
      >>> import optax, sgl_jax as sgl
      >>> lam, mu = 1e-4, 0.5
      >>> cges = optax.chain(
      ...     sgl.add_penalty_gradient(
      ...         sgl.Regularizer(sgl.L1((1 - mu) * lam), sgl.by_neuron(), weight=None)
      ...     ),
      ...     sgl.sgl_transform(sgl.Exclusive(mu * lam), beta=0.1, group_lam=0),
      ...     optax.adam(1e-3),
      ... )

    References:
      Zhou, Jin and Hoi, Exclusive lasso for multi-task feature selection, AISTATS 2010; Yoon and
      Hwang, Combined group and exclusive sparsity for deep neural networks, ICML 2017.
    """

    lam: ScalarOrSchedule
    ranges: ClassVar[dict[str, Range]] = {"lam": NONNEGATIVE}
    default_grouping: ClassVar[Grouping] = by_neuron()

    def vector_value(self, w: Array) -> Array:
        return self.values([w], GroupFamily.whole(w.shape)).reshape(())

    def vector_prox(self, w: Array, step_size: Array) -> Array:
        return prox_exclusive(w, step_size, self.lam)

    def vector_lam_max(self, w: Array, step_size: Array) -> Array:
        # The largest entry stays.
        return jnp.full_like(step_size, jnp.inf)

    def vector_residual(self, w: Array, grad: Array, weight: Array) -> Array:
        slope = weight * jnp.asarray(self.lam, w.dtype) * jnp.sum(jnp.abs(w))
        return jnp.where(w == 0, prox_l1(grad, 1.0, slope), grad + slope * jnp.sign(w))

    def values(self, parts: Sequence[Array], family: GroupFamily) -> Array:
        lam = jnp.asarray(self.lam, parts[0].dtype)
        return 0.5 * lam * family.sum(family.each(magnitude, parts)) ** 2

    def shrunk(self, parts: Sequence[Array], step_size: Array, family: GroupFamily) -> list[Array]:
        return _shrunk(parts, step_size * jnp.asarray(self.lam, step_size.dtype), family)


@in_working_precision
def prox_exclusive(
    w: Float[Array, "..."], step_size: ArrayLike, lam: ArrayLike
) -> Float[Array, "..."]:
    r"""The proximal operator of :math:`\tfrac\lambda2 \|z\|_1^2`, all of ``w`` one group.

    With :math:`c = s\lambda` it is soft thresholding at the one :math:`\tau` for which

    .. math:: \tau = \frac{c \sum_{i \in A} |w_i|}{1 + c |A|}, \qquad A = \{i : |w_i| > \tau\},

    found by dropping entries from :math:`A` until none is left to drop, at first those below the
    threshold that the largest entry alone would have. Entries that are not finite stay, and count
    nothing.

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
    return _shrunk([w], jnp.multiply(step_size, lam), GroupFamily.whole(w.shape))[0]


def _shrunk(parts: Sequence[Array], c: Array, family: GroupFamily) -> list[Array]:
    """Computes the prox of every group of a family; ``c`` is a number or per group."""
    sizes = family.each(lambda w: jnp.where(jnp.isfinite(w), jnp.abs(w), 0.0), parts)
    scale = family.scale(sizes)
    sizes = family.each(jnp.divide, sizes, scale)
    # The peak is only a reference, from which small differences are exact.
    peak = jax.lax.stop_gradient(family.max(sizes))
    gaps = family.each(lambda size, peak: peak - size, sizes, peak)
    rest = 1.0 / (1.0 + c)
    share = c * rest
    # The entry of a group of one is divided by 1 + c, without a kink at zero.
    alone = jnp.equal(family.sizes, 1)
    alive = _active(*jax.lax.stop_gradient((gaps, peak, rest, share)), family)
    alive = family.each(jnp.logical_or, alive, alone)
    below = _below_peak(gaps, alive, peak, rest, share, family)
    tau = _solved(share * _total(sizes, alive, family), alive, rest, share, family)

    def kept(w, size, gap, peak, below, tau, c, scale, alone):
        kept = jnp.where(2.0 * size > peak, below - gap, size - tau)
        kept = jnp.where((kept <= 0) & (c > 0) & ~alone, 0.0, kept)
        return jnp.where(jnp.isfinite(w), jnp.where(w < 0, -kept, kept) * scale, w)

    return family.each(kept, parts, sizes, gaps, peak, below, tau, c, scale, alone)


def _active(
    gaps: Sequence[Array], peak: Array, rest: Array, share: Array, family: GroupFamily
) -> list[Array]:
    r"""Marks the entries that survive, by Newton's method for the threshold, from below.

    With the peak m and the gaps :math:`g_i = m - |w_i|` the distance :math:`b = m - \tau` solves

    .. math:: b = \frac{\text{rest}\, m + \text{share} \sum_{i \in A} g_i}
      {\text{rest} + \text{share}\, |A|}, \qquad A = \{i : g_i < b\}.

    It starts from the b of the largest entry alone, which every further entry lowers, so that
    entries only drop out of A; it ends when none does.
    """

    def step(state):
        below, count, _ = state
        excess = family.each(lambda gap, below: jnp.maximum(gap, below) - gap, gaps, below)
        alive = family.sum(family.each(indicator, excess))
        # The sum of the gaps in A is |A| b less the sum of b - g.
        total = rest * peak + share * (alive * below - family.sum(excess))
        return total / jnp.maximum(rest + share * alive, tiny), alive, count

    def drops(state):
        _, alive, before = state
        return jnp.any(alive < before)

    tiny, most = jnp.finfo(peak.dtype).tiny, jnp.full_like(peak, jnp.inf)
    below, _, _ = jax.lax.while_loop(drops, step, step((rest * peak, most, most)))
    return family.each(jnp.less, gaps, below)


def _below_peak(
    gaps: Sequence[Array],
    alive: Sequence[Array],
    peak: Array,
    rest: Array,
    share: Array,
    family: GroupFamily,
) -> Array:
    """Computes the distance from the threshold to the peak without a difference."""
    total = rest * peak + share * _total(gaps, alive, family)
    return _solved(total, alive, rest, share, family)


def _solved(
    total: Array, alive: Sequence[Array], rest: Array, share: Array, family: GroupFamily
) -> Array:
    """Divides by ``rest + share |A|``."""
    weight = rest + share * family.tally(alive).astype(total.dtype)
    return total / jnp.maximum(weight, jnp.finfo(total.dtype).tiny)


def _total(entries: Sequence[Array], alive: Sequence[Array], family: GroupFamily) -> Array:
    """Sums the entries of A."""
    return family.sum(family.each(lambda x, on: jnp.where(on, x, 0.0), entries, alive))
