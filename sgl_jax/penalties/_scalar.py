"""A penalty from any function of the magnitude."""

import functools
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sgl_jax._util.numerics import implicit, with_slope, working_dtype
from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax._util.typing import ArrayLike, ScalarOrSchedule
from sgl_jax.penalties._base import NONNEGATIVE, Range
from sgl_jax.penalties._norm import NormPenalty
from sgl_jax.penalties._search._branch import search


__all__ = ["ScalarPenalty"]

_GRID = 256


@pytree_dataclass(static=("function", "curvature"))
class ScalarPenalty(NormPenalty):
    r"""A penalty from a function of your own.

    .. math:: \phi(t) = \lambda\, f(t)

    Its prox is a global search on :math:`[0, |w|]`, where the minimiser of
    :math:`s\lambda f(z) + \tfrac12 (z - |w|)^2` lies, and then Newton's method on its derivative:

    - ``"concave"``: branch and bound, certified to 1e-6 of the objective in float32 and 1e-9 in
      float64, since the chords of :math:`f` bound it from below;
    - ``"convex"``: bisection of the derivative, to the last digit;
    - ``"unknown"``: **not certified**: the best of 257 points from 0 to :math:`|w|`, evenly spaced,
      refined between its neighbours; a narrower dip is missed.

    It costs some fifty to a hundred passes over the leaf; the penalties of the catalogue have
    operators of their own.

    Attributes:
      function: :math:`f`, of an array of :math:`t \ge 0`, entry by entry, from ``jax.numpy``;
        nondecreasing, with :math:`f(0) = 0`, differentiable by JAX for t > 0. It is part of the
        structure of the pytree: one and the same object from call to call.
      lam: strength :math:`\lambda \ge 0`, or a schedule.
      curvature: of :math:`f`. The searches trust it; :func:`~sgl_jax.check_penalty` compares it
        with :math:`f` on a grid.

    Raises:
      ValueError: a strength below zero, an unknown curvature, or :math:`f(0) \ne 0`.

    Example:
      >>> import jax.numpy as jnp
      >>> arctan = ScalarPenalty(jnp.arctan, lam=0.5, curvature="concave")
      >>> arctan.prox(jnp.array([0.4, -2.0]), step_size=1.0)
      Array([ 0.       , -1.8907048], dtype=float32)
    """

    function: Callable[[Array], Array]
    lam: ScalarOrSchedule = 1.0
    curvature: str = "unknown"  # pyrefly: ignore[bad-override]
    ranges: ClassVar[dict[str, Range]] = {"lam": NONNEGATIVE}

    def __post_init__(self):
        super().__post_init__()
        if self.curvature not in _SEARCHES:
            raise ValueError(
                f"ScalarPenalty needs a curvature among {', '.join(_SEARCHES)}, got "
                f"{self.curvature!r}."
            )
        at_zero = self.function(jnp.zeros(()))
        if not isinstance(at_zero, jax.core.Tracer) and at_zero != 0:
            raise ValueError(
                f"ScalarPenalty needs a function that is 0 at 0, got {at_zero} there; subtract it."
            )

    @property
    def half_quadratic(self) -> bool:  # pyrefly: ignore[bad-override]
        """True if it may be the group penalty of a joint prox, which needs a declared concavity."""
        return self.curvature == "concave"

    def phi(self, t: Array) -> Array:
        return jnp.asarray(self.lam, t.dtype) * self.function(t)

    def prox_phi(self, t: Array, step_size: ArrayLike) -> Array:
        dtype = working_dtype(t)
        w = t.astype(dtype)
        size = jnp.abs(w)
        c = jnp.broadcast_to(jnp.asarray(step_size, dtype) * jnp.asarray(self.lam, dtype), w.shape)
        start = jax.lax.stop_gradient(_SEARCHES[self.curvature](self.function, size, c))
        z = _polisher(self.function)(size, c, start)
        z = jnp.where(c > 0, jnp.where(start > 0, z, 0.0), size)
        return jnp.where(size < jnp.inf, jnp.where(w < 0, -z, z), w).astype(t.dtype)


def _slope(function: Callable, z: Array) -> Array:
    """Differentiates a function entry by entry."""
    return with_slope(function, z)[1]


def _cost(function: Callable, z: Array, t: Array, c: Array) -> Array:
    return c * function(z) + 0.5 * (z - t) ** 2


class _Point(NamedTuple):
    """A point z of the branch and bound: ``c f(z)``, and with the distance the objective."""

    t: Array
    value: Array
    total: Array


def _concave(function: Callable, t: Array, c: Array) -> Array:
    """Minimises for a concave f by branch and bound: f lies above its chords."""

    def at(z):
        value = c * function(z)
        return _Point(z, value, value + 0.5 * (z - t) ** 2)

    def bounded(low, high):
        width = high.t - low.t
        chord = (high.value - low.value) / jnp.where(width > 0, width, 1.0)
        z = jnp.clip(t - chord, low.t, high.t)
        return low.value + chord * (z - low.t) + 0.5 * (z - t) ** 2, z

    zero = _Point(jnp.zeros_like(t), jnp.zeros_like(t), 0.5 * t**2)
    z, _, _ = search(at, bounded, zero, jnp.where((t > 0) & (t < jnp.inf), t, 1.0))
    return jnp.where(t > 0, z, 0.0)


def _convex(function: Callable, t: Array, c: Array) -> Array:
    """Minimises for a convex f by bisection of the derivative, which is nondecreasing."""

    def halve(_, ends):
        low, high = ends
        middle = 0.5 * (low + high)
        above = c * _slope(function, middle) + middle > t
        return jnp.where(above, low, middle), jnp.where(above, middle, high)

    low, _ = jax.lax.fori_loop(0, jnp.finfo(t.dtype).nmant + 8, halve, (jnp.zeros_like(t), t))
    return low


def _unknown(function: Callable, t: Array, c: Array) -> Array:
    """Minimises on an even grid, then on finer grids around the best point."""

    def best_of(low, step, best):
        def look(i, carry):
            z, cost = carry
            new = jnp.clip(low + i * step, 0.0, t)
            found = _cost(function, new, t, c)
            return jnp.where(found < cost, new, z), jnp.minimum(found, cost)

        return jax.lax.fori_loop(0, _GRID + 1, look, (best, _cost(function, best, t, c)))[0]

    step, z = t / _GRID, jnp.zeros_like(t)
    z = best_of(z, step, z)
    for _ in range(3 if t.dtype == jnp.float64 else 1):
        z, step = best_of(z - step, step * (2.0 / _GRID), z), step * (2.0 / _GRID)
    return z


# Functions of f, |w| and c, by the curvature of f; each finds a start for Newton's method.
_SEARCHES = {"concave": _concave, "convex": _convex, "unknown": _unknown}


@functools.cache
def _polisher(function: Callable) -> Callable[[Array, Array, Array], Array]:
    """Makes the Newton iteration from a start next to the minimiser, with its derivative."""

    def residual(z, t, c, start):
        return z - t + c * _slope(function, jnp.where(start > 0, z, 1.0))

    def solve(t, c, start):
        z = start
        for _ in range(4):
            value, rise = with_slope(lambda z: residual(z, t, c, start), z)
            new = jnp.clip(z - value / jnp.where(rise > 0, rise, 1.0), 0.5 * z, t)
            nearer = jnp.abs(residual(new, t, c, start)) <= jnp.abs(value)
            z = jnp.where((rise > 0) & nearer, new, z)
        return z

    return implicit(residual)(solve)
