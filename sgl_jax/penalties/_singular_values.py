r"""Singular values: their decomposition, the prox of a penalty of them, and its sum.

The derivatives are not those of the decomposition, which are infinite where two singular values
meet or one is zero, but those of the result, which are not: see :func:`_shrink_jvp`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sgl_jax._util.numerics import with_slope, working_dtype
from sgl_jax._util.typing import ArrayLike
from sgl_jax.groups import GroupFamily
from sgl_jax.penalties._norm import NormPenalty


__all__ = ["cast", "decompose", "shrink_singular_values", "sum_singular_values"]


class Decomposition(NamedTuple):
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


def decompose(w: Array) -> Decomposition:
    """Decomposes a matrix at a scale of about one."""
    peak = jnp.max(jnp.abs(w), initial=0.0)
    scale = GroupFamily.of_array(w.shape, (0, 1)).scale([w]).reshape(())
    usable = peak < jnp.inf
    u, values, vt = jnp.linalg.svd(jnp.where(usable, w / scale, 0.0), full_matrices=False)
    noise = max(w.shape) * jnp.finfo(w.dtype).eps * jnp.max(values, initial=0.0)
    values = jnp.where(values > noise, values, 0.0)
    usable &= jnp.max(values, initial=0.0) * scale < jnp.inf
    return Decomposition(u, values, vt.T, scale, usable, peak)


def shrink_singular_values(
    w: Float[Array, "m n"], step_size: ArrayLike, penalty: NormPenalty
) -> Float[Array, "m n"]:
    """Computes the prox of a penalty of singular values, in the dtype of the matrix."""
    dtype = working_dtype(w)
    step_size, penalty = jnp.asarray(step_size, dtype), cast(penalty, dtype)
    return _shrink(w.astype(dtype), step_size, penalty).astype(w.dtype)


def cast(penalty: NormPenalty, dtype: jnp.dtype) -> NormPenalty:
    """Casts the parameters of a penalty."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), penalty)


@jax.custom_jvp
def _shrink(w: Array, step_size: Array, penalty: NormPenalty) -> Array:
    found = decompose(w)
    return _rebuilt(w, found, penalty.prox_phi(found.values * found.scale, step_size))


def _rebuilt(w: Array, found: Decomposition, new: Array) -> Array:
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
    found = decompose(w)
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
def sum_singular_values(w: Array, penalty: NormPenalty) -> Array:
    """Sums a penalty over the singular values of a matrix."""
    return _sum(decompose(w), penalty)


def _sum(found: Decomposition, penalty: NormPenalty) -> Array:
    return jnp.sum(penalty.phi(jnp.where(found.usable, found.values * found.scale, found.peak)))


@sum_singular_values.defjvp
def _value_jvp(primals, tangents):
    """Differentiates phi at the singular values that are not zero."""
    (w, penalty), (w_dot, penalty_dot) = primals, tangents
    found = decompose(w)
    sigma = jnp.where(found.values > 0, found.values * found.scale, found.scale)
    _, slope = with_slope(penalty.phi, sigma)
    slope = jnp.where((found.values > 0) & found.usable, slope, 0.0)
    total, drift = jax.jvp(lambda penalty: _sum(found, penalty), (penalty,), (penalty_dot,))
    return total, drift + jnp.sum((found.u * slope[None]) @ found.v.T * w_dot)
