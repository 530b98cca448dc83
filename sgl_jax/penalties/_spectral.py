r"""Penalties of singular values: a group is unfolded to a matrix.

Of all matrices :math:`Z` with given singular values, and so a given penalty
:math:`\sum_i \phi(\sigma_i(Z))`, the nearest to :math:`W` has the singular vectors of :math:`W`, by
von Neumann's trace inequality

.. math:: \langle Z, W \rangle \le \sum_i \sigma_i(Z)\, \sigma_i(W).

So the minimiser takes a scalar prox of every singular value. The results keep their order, because
the prox of any function is monotone. So the minimiser is exact for every step size, and of
nonconvex penalties too.

The derivatives are not those of the decomposition, which are infinite where two singular values
meet or one is zero, but those of the result, which are not: see :func:`_shrink_jvp`.
"""

import abc
import dataclasses
import math
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sgl_jax._util.numerics import with_slope, working_dtype
from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax._util.sharding import in_one_piece, split_like
from sgl_jax._util.typing import ArrayLike, ScalarOrSchedule
from sgl_jax.groups import LAYOUTS, GroupFamily, Grouping, Layout, by_layer
from sgl_jax.penalties._base import NormPenalty, Penalty, Range
from sgl_jax.penalties._vector import VectorPenalty
from sgl_jax.penalties.l1 import L1


__all__ = ["Spectral", "SpectralPenalty", "shrink_singular_values"]


class SpectralPenalty(VectorPenalty):
    """A penalty that is a sum over the singular values of a group."""

    layout: Layout
    default_grouping: ClassVar[Grouping] = by_layer()

    def __post_init__(self):
        super().__post_init__()
        if self.layout not in LAYOUTS:
            raise ValueError(
                f"{type(self).__name__} needs a layout among {', '.join(LAYOUTS)}, got "
                f"{self.layout!r}."
            )

    @property
    @abc.abstractmethod
    def of_values(self) -> NormPenalty:
        """The penalty of one singular value."""

    def vector_value(self, w: Array) -> Array:
        return _value(self._unfolded(w), _cast(self.of_values, w.dtype))

    def vector_prox(self, w: Array, step_size: Array) -> Array:
        found = shrink_singular_values(self._unfolded(w), step_size, self.of_values)
        return split_like(found.reshape(w.shape), w)

    def vector_lam_max(self, w: Array, step_size: Array) -> Array:
        found = _decomposed(self._unfolded(w))
        return self.of_values.lam_max_phi(found.values[0] * found.scale, step_size)

    def vector_residual(self, w: Array, grad: Array, weight: Array) -> Array:
        found, matrix = _decomposed(self._unfolded(w)), self._unfolded(grad)
        live, penalty = found.values > 0, _cast(self.of_values, w.dtype)
        slopes = weight * penalty.slope_phi(found.values * found.scale)
        u, v = (jnp.where(live[None], vectors, 0.0) for vectors in (found.u, found.v))
        # Beside the singular vectors any matrix of singular values up to the slope at zero.
        beside = matrix - u @ (u.T @ matrix)
        beside = beside - (beside @ v) @ v.T
        bound = weight * penalty.slope_phi(jnp.zeros((), w.dtype))
        left = shrink_singular_values(beside, 1.0, L1(bound))
        pull = (u * jnp.where(live, slopes, 0.0)[None]) @ v.T
        return split_like((matrix - beside + left + pull).reshape(w.shape), w)

    def _unfolded(self, w: Array) -> Array:
        """The matrix of a kernel; its outputs are the columns (HWIO) or the rows (OIHW)."""
        if w.ndim < 2:
            raise ValueError(
                f"{type(self).__name__} needs groups with two axes or more, which unfold to a "
                f"matrix, got one of shape {w.shape}; give the axes of a whole kernel, or take "
                "by_layer with only= or skip=."
            )
        rows = w.ndim - 1 if self.layout == "HWIO" else 1
        whole = in_one_piece(w, range(w.ndim))
        return whole.reshape(math.prod(w.shape[:rows]), math.prod(w.shape[rows:]))


@pytree_dataclass(static=("layout",))
class Spectral(SpectralPenalty):
    r"""A penalty on the singular values of a group: it lowers the rank of a kernel.

    .. math:: \sum_i \phi(\sigma_i(W))

    with the :math:`\phi` of any penalty that is a function of a norm: :class:`~sgl_jax.L1` makes it
    :class:`~sgl_jax.NuclearNorm`, :class:`~sgl_jax.L0` the rank, and the nonconvex ones leave large
    singular values as they are. A group is a whole kernel unless another grouping is given. It
    unfolds to a matrix with its outputs against all other axes: the kernel of a convolution to
    (kh kw in, out), or to (out, in kh kw) if its layout is OIHW. Leaves of one axis are refused;
    ``by_layer(only="kernel")`` leaves them out.

    Its prox is :math:`U \operatorname{diag}(\operatorname{prox}_\phi(\sigma)) V^\top`. It costs a
    singular value decomposition, and gathers a leaf that is split over devices. Singular values
    below the rounding of the largest count as zero. A result of lower rank has it up to rounding.

    Attributes:
      penalty: the penalty of one singular value.
      layout: ``"HWIO"`` if the last axis of a kernel is that of its outputs, ``"OIHW"`` if the
        first one is.

    Raises:
      ValueError: the penalty is not a function of a norm, or the layout is another.

    References:
      Cai, Candès and Shen, A singular value thresholding algorithm for matrix completion, SIAM J.
      Optim. 20, 2010; Lu, Zhu, Xu, Yan and Lin, Generalized singular value thresholding, AAAI 2015.
    """

    penalty: NormPenalty
    layout: Layout = "HWIO"
    ranges: ClassVar[dict[str, Range]] = {}

    def __post_init__(self):
        if not isinstance(self.penalty, NormPenalty):
            raise ValueError(
                f"Spectral needs a penalty that is a function of a norm, got "
                f"{type(self.penalty).__name__}."
            )
        super().__post_init__()

    @property
    def lam(self) -> ScalarOrSchedule:
        """The strength of the penalty of a singular value."""
        return self.penalty.lam

    @property
    def has_gradient(self) -> bool:
        """False if the derivative of the value is zero almost everywhere."""
        return self.penalty.has_gradient

    @property
    def of_values(self) -> NormPenalty:
        return self.penalty

    def rescaled(self, c: ArrayLike) -> Penalty:
        return dataclasses.replace(self, penalty=self.penalty.rescaled(c))


class _Decomposition(NamedTuple):
    """The singular value decomposition of a matrix at a scale of about one.

    Attributes:
      u: left singular vectors, one per column.
      values: singular values over the scale, descending, rounding errors zero.
      v: right singular vectors, one per column.
      scale: a power of two.
      usable: True if the matrix and its singular values are finite.
      peak: the largest magnitude of the matrix.
    """

    u: Array
    values: Array
    v: Array
    scale: Array
    usable: Array
    peak: Array


def _decomposed(w: Array) -> _Decomposition:
    peak = jnp.max(jnp.abs(w), initial=0.0)
    scale = GroupFamily.of_array(w.shape, (0, 1)).scale([w]).reshape(())
    usable = peak < jnp.inf
    u, values, vt = jnp.linalg.svd(jnp.where(usable, w / scale, 0.0), full_matrices=False)
    noise = max(w.shape) * jnp.finfo(w.dtype).eps * jnp.max(values, initial=0.0)
    values = jnp.where(values > noise, values, 0.0)
    usable &= jnp.max(values, initial=0.0) * scale < jnp.inf
    return _Decomposition(u, values, vt.T, scale, usable, peak)


def shrink_singular_values(
    w: Float[Array, "m n"], step_size: ArrayLike, penalty: NormPenalty
) -> Float[Array, "m n"]:
    """Computes the prox of a penalty of singular values, in the dtype of the matrix."""
    dtype = working_dtype(w)
    step_size, penalty = jnp.asarray(step_size, dtype), _cast(penalty, dtype)
    return _shrink(w.astype(dtype), step_size, penalty).astype(w.dtype)


def _cast(penalty: NormPenalty, dtype: jnp.dtype) -> NormPenalty:
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), penalty)


@jax.custom_jvp
def _shrink(w: Array, step_size: Array, penalty: NormPenalty) -> Array:
    found = _decomposed(w)
    return _rebuilt(w, found, penalty.prox_phi(found.values * found.scale, step_size))


def _rebuilt(w: Array, found: _Decomposition, new: Array) -> Array:
    """Rebuilds the matrix with new singular values; the very same if none of them changes."""
    same = jnp.all(new == found.values * found.scale) | ~found.usable
    return jnp.where(same, w, (found.u * new[None]) @ found.v.T)


@_shrink.defjvp
def _shrink_jvp(primals, tangents):
    r"""Differentiates the prox itself instead of its decomposition.

    With :math:`P = U^\top \dot W V` and :math:`f` the scalar prox, odd, :math:`\dot Z` has

    .. math::
      (U^\top \dot Z V)_{ij} = \frac{f_i - f_j}{\sigma_i - \sigma_j} \frac{P_{ij} + P_{ji}}{2}
      + \frac{f_i + f_j}{\sigma_i + \sigma_j} \frac{P_{ij} - P_{ji}}{2},

    with the derivative of :math:`f` where two singular values are equal. What :math:`U` or
    :math:`V` do not span is multiplied by :math:`f_i / \sigma_i`, where :math:`\sigma_i` is zero by
    the derivative there.
    """
    (w, step, penalty), (w_dot, step_dot, penalty_dot) = primals, tangents
    found = _decomposed(w)
    u, values, v = found.u, found.values, found.v
    sigma = values * found.scale
    new, slope = with_slope(lambda s: penalty.prox_phi(s, step), sigma)
    _, drift = jax.jvp(
        lambda step, penalty: penalty.prox_phi(sigma, step),
        (step, penalty),
        (step_dot, penalty_dot),
    )
    even, odd, gain = _quotients(values, new / found.scale, slope)
    seen = u.T @ w_dot @ v
    core = even * (seen + seen.T) / 2 + odd * (seen - seen.T) / 2
    change = u @ (core + jnp.diag(drift)) @ v.T
    if w.shape[0] > w.shape[1]:
        change += ((w_dot @ v - u @ seen) * gain[None]) @ v.T
    else:
        change += (u * gain[None]) @ (u.T @ w_dot - seen @ v.T)
    return _rebuilt(w, found, new), jnp.where(found.usable, change, w_dot)


def _quotients(s: Array, f: Array, slope: Array) -> tuple[Array, Array, Array]:
    """Divides differences and sums of ``f`` by those of ``s``, pair by pair, and ``f`` by ``s``."""
    gap, rise = s[:, None] - s[None, :], f[:, None] - f[None, :]
    mean = (slope[:, None] + slope[None, :]) / 2
    # Where the two derivatives explain the difference as well as rounding allows.
    near = jnp.abs(rise - mean * gap) <= 4 * jnp.finfo(s.dtype).eps * (s[:, None] + s[None, :])
    even = jnp.where(near, mean, rise / jnp.where(near, 1.0, gap))
    total = s[:, None] + s[None, :]
    odd = jnp.where(total > 0, (f[:, None] + f[None, :]) / jnp.where(total > 0, total, 1.0), mean)
    return even, odd, jnp.where(s > 0, f / jnp.where(s > 0, s, 1.0), slope)


@jax.custom_jvp
def _value(w: Array, penalty: NormPenalty) -> Array:
    return _sum(_decomposed(w), penalty)


def _sum(found: _Decomposition, penalty: NormPenalty) -> Array:
    return jnp.sum(penalty.phi(jnp.where(found.usable, found.values * found.scale, found.peak)))


@_value.defjvp
def _value_jvp(primals, tangents):
    """Differentiates phi at the singular values that are not zero."""
    (w, penalty), (w_dot, penalty_dot) = primals, tangents
    found = _decomposed(w)
    sigma = jnp.where(found.values > 0, found.values * found.scale, found.scale)
    _, slope = with_slope(penalty.phi, sigma)
    slope = jnp.where((found.values > 0) & found.usable, slope, 0.0)
    total, drift = jax.jvp(lambda penalty: _sum(found, penalty), (penalty,), (penalty_dot,))
    return total, drift + jnp.sum((found.u * slope[None]) @ found.v.T * w_dot)
