"""The interval of levels that fits the entries of a group best, and the nearest of its levels.

Both act on magnitudes. An entry is on the support or off it; entries off it, and those that are not
finite, have the code 0 and no part in a fit.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int32

from sgl_jax._util.numerics import require_real, working_dtype
from sgl_jax._util.sharding import in_one_piece
from sgl_jax.groups import GroupFamily


__all__ = ["Quantised", "fit_interval", "nearest_codes", "sign_of", "supports"]


class Quantised(NamedTuple):
    """An array on levels.

    Attributes:
      values: the array; where a code is not zero, the interval times the code, rounded to its
        dtype.
      interval: the distance of neighbouring levels, > 0, a number that the dtype of the array has,
        in the working dtype; of the shape of the array reduced over the axes of a group, which are
        kept.
      codes: the integers, int32, of the shape of the array.
    """

    values: Float[Array, "..."]
    interval: Float[Array, "..."]
    codes: Int32[Array, "..."]


def supports(parts: Sequence[Array], support: Sequence[Array] | None) -> list[Array]:
    """Finds the masks of the support: given ones, or the entries that are not zero; all finite."""
    require_real(*parts)
    masks = [part != 0 for part in parts] if support is None else support
    return [mask & jnp.isfinite(part) for mask, part in zip(masks, parts, strict=True)]


def sign_of(part: Array) -> Array:
    """The signs, in the working dtype and without derivative; that of zero is +1."""
    return jnp.where(part < 0, -1.0, 1.0).astype(working_dtype(part))


@partial(jax.jit, static_argnames=("family", "count", "zero"))
def fit_interval(
    parts: Sequence[Array],
    masks: Sequence[Array],
    family: GroupFamily,
    count: int,
    zero: bool,
    metrics: Sequence[Array] | None,
) -> Array:
    """Fits the interval of every group, per group in the working dtype; 1 without support.

    The derivative is that of the fit to fixed codes, which are constant almost everywhere.
    """
    dtype = working_dtype(*parts)
    sizes = _on(masks, [sign_of(part) * part.astype(dtype) for part in parts])
    weights = _on(masks, metrics or [jnp.ones(part.shape, dtype) for part in parts])
    weights = [lax.stop_gradient(weight.astype(dtype)) for weight in weights]
    scale, unit = family.scale(sizes), family.scale(weights)
    sizes = family.each(jnp.multiply, sizes, 1.0 / scale)
    weights = family.each(jnp.multiply, weights, 1.0 / unit)
    rows = [_to_rows([lax.stop_gradient(x) for x in xs], family) for xs in (sizes, weights)]
    first = jax.vmap(partial(_sweep, count=count, zero=zero))(*rows).reshape(family.shape)
    # One more fit to the codes of the best piece, with sums of better precision.
    fitted = [lax.stop_gradient(size) for size in sizes]
    codes = nearest_codes(fitted, masks, family, first, count, zero)
    products = [d * m for d, m in zip(weights, codes, strict=True)]
    along = family.sum([x * a for x, a in zip(products, sizes, strict=True)])
    square = family.sum([x * m for x, m in zip(products, codes, strict=True)])
    found = scale * along / jnp.where(square > 0, square, 1.0)
    found = _representable(jnp.where(along > 0, found, 1.0), parts)
    exact = _read_interval(parts, masks, codes, family, count)
    # The difference is exact, and has no derivative.
    return found + jnp.where(exact > 0, exact - lax.stop_gradient(found), 0.0)


def _on(masks: Sequence[Array], arrays: Sequence[Array]) -> list[Array]:
    """Sets entries off the support to zero."""
    return [jnp.where(mask, array, 0) for mask, array in zip(masks, arrays, strict=True)]


def _representable(interval: Array, parts: Sequence[Array]) -> Array:
    """Rounds intervals to every dtype of the parts, up where one would vanish."""
    dtype = interval.dtype
    for kind in sorted({part.dtype for part in parts}, key=lambda kind: -jnp.finfo(kind).bits):
        least = float(jnp.finfo(kind).tiny)
        interval = jnp.maximum(interval, least).astype(kind).astype(dtype)
    return interval


def _read_interval(
    parts: Sequence[Array],
    masks: Sequence[Array],
    codes: Sequence[Array],
    family: GroupFamily,
    count: int,
) -> Array:
    """Reads the interval of groups off an entry with the least code, 0 for groups off its levels.

    An array that is on levels is its own projection so, to the last bit.
    """
    sizes = _on(masks, [jnp.abs(lax.stop_gradient(part)) for part in parts])
    sizes = [size.astype(working_dtype(*parts)) for size in sizes]
    left = [jnp.where(code > 0, count + 1 - code, 0) for code in codes]
    least = count + 1 - family.max(left)
    shown = family.each(lambda m, size, k: jnp.where(m == k, size, 0), codes, sizes, least)
    found = _representable(family.max(shown) / least, parts)
    back = family.each(lambda part, m, q: (m * q).astype(part.dtype), list(parts), codes, found)
    off = [level.astype(size.dtype) != size for level, size in zip(back, sizes, strict=True)]
    return jnp.where((family.tally(off) == 0) & (least <= count), found, 0.0)


def _to_rows(parts: Sequence[Array], family: GroupFamily) -> Array:
    """Gathers a row of entries for every group, in one piece, short ones padded with zeros."""
    parts = [in_one_piece(part, range(part.ndim)) for part in parts]
    if not family.plain:
        flat = [jnp.zeros(1, parts[0].dtype), *(part.ravel() for part in parts)]
        return jnp.concatenate(flat)[family.rows]
    kept = family.members[0].index_axes
    size = family.size if family.count else 0
    return jnp.moveaxis(parts[0], kept, range(len(kept))).reshape(family.count, size)


def _sweep(sizes: Array, weights: Array, *, count: int, zero: bool) -> Array:
    """Sweeps over all intervals of one group, from large to small; returns the best.

    Args:
      sizes: magnitudes, of one axis.
      weights: their weights in the sum of squares; 0 off the support.
      count: number of levels.
      zero: zero is a level, too.
    """
    least = 0 if zero else 1
    multiples = jnp.arange(least, count, dtype=sizes.dtype)
    points = (sizes[:, None] / (multiples + 0.5)[None]).ravel()
    along = jnp.broadcast_to((weights * sizes)[:, None], (sizes.size, multiples.size)).ravel()
    square = (weights[:, None] * (2.0 * multiples + 1.0)[None]).ravel()
    # Zeros on the support stay at the lowest level.
    square = jnp.where(points > 0, square, 0.0)
    _, along, square = lax.sort((-points, along, square), num_keys=1)
    start = jnp.stack([least * jnp.sum(weights * sizes), least**2 * jnp.sum(weights)])
    sums = jnp.concatenate([start[:, None], jnp.stack([along, square])], axis=1)
    b, c = jnp.cumsum(sums, axis=1)
    gain = jnp.where(c > 0, b * (b / jnp.where(c > 0, c, 1.0)), 0.0)
    best = jnp.argmax(gain)
    return jnp.where(c[best] > 0, b[best] / jnp.where(c[best] > 0, c[best], 1.0), 1.0)


@partial(jax.jit, static_argnames=("family", "count", "zero"))
def nearest_codes(
    parts: Sequence[Array],
    masks: Sequence[Array],
    family: GroupFamily,
    interval: Array,
    count: int,
    zero: bool,
) -> list[Array]:
    """Finds the magnitudes of the codes, whole numbers in the working dtype; 0 off the support.

    At a tie it is the lower.
    """
    dtype = working_dtype(*parts)

    def nearest(part: Array, mask: Array, q: Array) -> Array:
        q = lax.stop_gradient(q)
        size = jnp.abs(lax.stop_gradient(part)).astype(dtype)
        level = lambda code: (code * q).astype(part.dtype).astype(dtype)  # noqa: E731
        low = jnp.clip(jnp.floor(size / q), 0 if zero else 1, count)
        high = jnp.minimum(low + 1, count)
        nearer = jnp.abs(level(high) - size) < jnp.abs(size - level(low))
        return jnp.where(mask, jnp.where(nearer, high, low), 0)

    return family.each(nearest, list(parts), list(masks), interval)
