"""The group soft threshold in a diagonal metric: one scalar root per group."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sgl_jax._util.numerics import implicit, working_dtype
from sgl_jax.groups import GroupFamily


__all__ = ["shrink_norm_in_metric"]

_MOST_STEPS = 50


def shrink_norm_in_metric(
    parts: Sequence[Array], threshold: Array, family: GroupFamily, metrics: Sequence[Array]
) -> list[Array]:
    r"""Minimises :math:`c \|z\|_2 + \tfrac12 \sum_i d_i (z_i - w_i)^2` for every group.

    The minimiser is zero if :math:`\|d w\|_2 \le c`. Otherwise :math:`z_i = w_i r / (r + q_i)`
    with :math:`q = c / d` and the norm :math:`r` the root of :math:`\|w / (r + q)\|_2 = 1`.

    Args:
      parts: the leaves of the members.
      threshold: :math:`c \ge 0`, a scalar or per group.
      family: the family of groups.
      metrics: :math:`d > 0`, arrays like ``parts``.

    Returns:
      Arrays like ``parts``.
    """
    dtype = working_dtype(*parts)
    wide = [part.astype(dtype) for part in parts]
    scale = family.scale(wide)
    w = [part * inverse for part, inverse in zip(wide, family.spread(1.0 / scale), strict=True)]
    c = family.spread(jnp.broadcast_to(jnp.asarray(threshold, dtype) / scale, family.shape))
    q = [c_i / d.astype(dtype) for c_i, d in zip(c, metrics, strict=True)]
    dead = _squares(family, jnp.zeros(family.shape, dtype), w, q) <= 1
    norms = family.spread(jnp.where(dead, 0.0, _norm_solver(family)(w, q)))
    # A group whose norm is not finite stays as it is.
    shrunk = [
        part * jnp.where((q_i > 0) & (r < jnp.inf), r / _nonzero(r + q_i), 1.0)
        for part, r, q_i in zip(wide, norms, q, strict=True)
    ]
    return [new.astype(part.dtype) for new, part in zip(shrunk, parts, strict=True)]


def _quotients(
    family: GroupFamily, r: Array, w: Sequence[Array], q: Sequence[Array]
) -> list[tuple[Array, Array]]:
    """Returns numerator and denominator of w / (r + q) for each member."""
    pairs = zip(family.spread(r), w, q, strict=True)
    return [(w_i, _nonzero(r_i + q_i)) for r_i, w_i, q_i in pairs]


def _squares(family: GroupFamily, r: Array, w: Sequence[Array], q: Sequence[Array]) -> Array:
    r"""Computes :math:`\|w / (r + q)\|^2`, per group."""
    return family.sum([(top / bottom) ** 2 for top, bottom in _quotients(family, r, w, q)])


def _norm_solver(family: GroupFamily) -> Callable[[list[Array], list[Array]], Array]:
    r"""Makes the function of (w, q) that finds the norm :math:`r` of every live group.

    :math:`1 / \|w / (r + q)\|` is concave and almost linear in :math:`r`, so Newton's method on
    it climbs to the root from any lower bound. The tangent at infinity gives one that is exact
    to first order in :math:`q`.
    """

    def climb(w, q, r):
        pairs = _quotients(family, r, w, q)
        s0 = family.sum([(top / bottom) ** 2 for top, bottom in pairs])
        s1 = family.sum([(top / bottom) ** 2 / bottom for top, bottom in pairs])
        return s0 * (jnp.sqrt(s0) - 1.0) / _nonzero(s1)

    def solve(w, q):
        square = family.sum([w_i**2 for w_i in w])
        moment = family.sum([w_i**2 * q_i for w_i, q_i in zip(w, q, strict=True)])
        start = jnp.maximum(jnp.sqrt(square) - moment / _nonzero(square), 0.0)
        tolerance = jnp.sqrt(jnp.finfo(square.dtype).eps)

        def moving(carry):
            r, rise, steps = carry
            # Quadratic convergence: after a step this small the error is a rounding error.
            return jnp.any(rise > tolerance * r) & (steps < _MOST_STEPS)

        def step(carry):
            r, _, steps = carry
            rise = jnp.maximum(climb(w, q, r), 0.0)
            return r + rise, rise, steps + 1

        r, _, _ = jax.lax.while_loop(moving, step, step((start, start, 0)))
        return r

    return implicit(lambda r, w, q: 1.0 - _squares(family, r, w, q))(solve)


def _nonzero(x: Array) -> Array:
    return jnp.where(x > 0, x, 1.0)
