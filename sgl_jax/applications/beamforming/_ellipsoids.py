"""Sets of channels, learned from samples: the shape from one half, the size from the other."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Num

from sgl_jax.applications._trees import value_tree
from sgl_jax.applications.beamforming._double import ArrayLike, in_double
from sgl_jax.applications.beamforming._network import is_known
from sgl_jax.applications.beamforming._order import find_order


__all__ = ["SHAPES", "Ellipsoids", "from_shapes", "learn_ellipsoids", "perfect"]

SHAPES = ("full", "block", "diagonal", "ball")
"""Shapes of covariances: any, blocks of the access points, diagonal, a multiple of one."""


@value_tree(static=("order",))
class Ellipsoids:
    r"""The sets :math:`\{c_k + B_k u : \|u\| \le 1\}` of the channels of all users.

    Attributes:
      center: centres :math:`c_k`, (K, n), 1/sqrt(W).
      root: :math:`B_k`, (K, n, n), 1/sqrt(W); of a learned set the radius times the lower Cholesky
        factor of the covariance. (K, n, 0) for perfect channels.
      radius2: squared radii in the metric of the covariance, (K,); 1 where none was learned.
      order: rank of the sample that gives the radius, from 1; 0 where none was learned.

    Raises:
      ValueError: shapes do not fit.

    Example:
      >>> import numpy as np
      >>> from sgl_jax.applications import beamforming as bf
      >>> balls = bf.Ellipsoids(center=np.ones((2, 6)), root=0.1 * np.stack(2 * [np.eye(6)]))
      >>> balls.center.dtype
      dtype('complex128')
    """

    center: Any
    root: Any
    radius2: Any = 1.0
    order: int = 0

    def __post_init__(self) -> None:
        _with_arrays(self)

    @in_double
    def scaled(self, factor: float | Num[ArrayLike, ""]) -> "Ellipsoids":
        """Makes ellipsoids of other radii around the same centres.

        Args:
          factor: of the radius, at least 0.
        """
        factor = jnp.asarray(factor, float)
        return Ellipsoids(
            center=self.center,
            root=factor * self.root,
            radius2=factor**2 * self.radius2,
            order=self.order,
        )


@in_double
def _with_arrays(sets: Ellipsoids) -> None:
    users_and_n, root = np.shape(sets.center), np.shape(sets.root)
    if len(users_and_n) != 2 or root not in [(*users_and_n, m) for m in (users_and_n[-1], 0)]:
        raise ValueError(
            "Ellipsoids need a center of shape (K, n) and a root of shape (K, n, n), got "
            f"{users_and_n} and {root}."
        )
    for name, shape in {"center": users_and_n, "root": root}.items():
        given = getattr(sets, name)
        if is_known(given) and not np.all(np.isfinite(np.asarray(given))):
            raise ValueError(f"Ellipsoids need a finite {name}, got one with NaN or infinity.")
        object.__setattr__(sets, name, jnp.asarray(given, complex).reshape(shape))
    radius2 = jnp.broadcast_to(jnp.asarray(sets.radius2, float), users_and_n[:1])
    object.__setattr__(sets, "radius2", radius2)


@in_double
def perfect(channels: Num[ArrayLike, "K n"]) -> Ellipsoids:
    """Makes sets of one channel for every user, which is known without error.

    Args:
      channels: (K, n), 1/sqrt(W).

    Example:
      >>> import numpy as np
      >>> from sgl_jax.applications import beamforming as bf
      >>> bf.perfect(np.ones((3, 6))).root.shape
      (3, 6, 0)
    """
    center = jnp.asarray(channels, complex)
    return Ellipsoids(center=center, root=jnp.zeros((*center.shape, 0), complex))


@in_double
def learn_ellipsoids(
    samples: Num[ArrayLike, "K T n"],
    *,
    eps: float = 0.05,
    delta: float = 0.05,
    shape: str = "full",
    antennas: int = 1,
) -> Ellipsoids:
    r"""Learns sets of channels that hold a share of ``1 - eps``, with confidence ``1 - delta``.

    The first half of the samples gives the mean c and the covariance :math:`S = R R^H`, the second
    half the radius, as the distance :math:`\|R^{-1} (h - c)\|^2` of rank :func:`find_order`. That
    holds for each user by itself; for all of K at once, take ``delta / K``.

    Args:
      samples: channels of every user, (K, T, n), 1/sqrt(W).
      eps: share of the channels that may lie outside, in (0, 1).
      delta: probability of a set that is too small, in (0, 1).
      shape: a name in :data:`SHAPES`.
      antennas: antennas of an access point, the size of the blocks of ``"block"``.

    Raises:
      ValueError: there are too few samples, or they have no variance in some direction.

    References:
      Hong, Huang and Lam, Learning-based robust optimization: procedures and statistical
      guarantees, arXiv 1704.04342, 2017.

    Example:
      >>> import jax
      >>> from sgl_jax.applications import beamforming as bf
      >>> found = bf.draw(jax.random.key(0))
      >>> bf.learn_ellipsoids(found.samples, eps=0.05, delta=0.05).order
      99
    """
    if jnp.ndim(samples) != 3:
        raise ValueError(f"Samples need the shape (K, T, n), got {jnp.shape(samples)}.")
    samples = jnp.asarray(samples, complex)
    pattern = _pattern(shape, samples.shape[2], antennas)
    first, second = _halves(samples, shape, pattern)
    order = find_order(second.shape[1], eps, delta)
    center = jnp.mean(first, axis=1)
    factor = _factor(first - center[:, None], shape, pattern)
    moved = jnp.swapaxes(second - center[:, None], 1, 2)
    white = jax.scipy.linalg.solve_triangular(factor, moved, lower=True)
    radius2 = jnp.sort(jnp.sum(jnp.abs(white) ** 2, axis=1), axis=1)[:, order - 1]
    root = jnp.sqrt(radius2)[:, None, None] * factor
    return Ellipsoids(center=center, root=root, radius2=radius2, order=order)


def _pattern(shape, n, antennas):
    """Returns the entries of a covariance that a shape keeps."""
    if shape not in SHAPES:
        raise ValueError(f"A shape needs to be one of {', '.join(SHAPES)}, got {shape!r}.")
    if antennas < 1 or n % antennas:
        raise ValueError(f"Antennas need to divide the length {n} of a channel, got {antennas}.")
    block = np.arange(n) // {"full": n, "block": antennas}.get(shape, 1)
    return (block[:, None] == block[None]).astype(float)


def _halves(samples, shape, pattern):
    """Splits samples in two, and refuses a first half too small for a covariance."""
    half = samples.shape[1] // 2
    least = int(pattern.sum(axis=0).max()) if shape != "ball" else 1
    if half <= least:
        raise ValueError(
            f"A covariance of shape {shape!r} needs more than {2 * least + 1} samples of every "
            f"user, got {samples.shape[1]}."
        )
    return samples[:, :half], samples[:, half:]


def _factor(deviations, shape, pattern):
    """Computes lower Cholesky factors of covariances, and refuses singular ones."""
    count, n = deviations.shape[1:]
    covariance = jnp.einsum("kti,ktj->kij", deviations, deviations.conj()) / (count - 1)
    if shape == "ball":
        mean = jnp.trace(covariance, axis1=1, axis2=2).real / n
        covariance = mean[:, None, None] * jnp.eye(n)[None].astype(complex)
    return checked_factor(covariance * pattern[None], "covariance of the samples")


def checked_factor(matrices: Complex[Array, "K n n"], what: str) -> Complex[Array, "K n n"]:
    """Computes lower Cholesky factors; refuses matrices that are singular, where they are known."""
    factor = jnp.linalg.cholesky(matrices)
    if is_known(factor):
        least = np.abs(np.diagonal(np.asarray(factor), axis1=1, axis2=2)).min(axis=1)
        most = np.sqrt(np.abs(np.diagonal(np.asarray(matrices), axis1=1, axis2=2)).max(axis=1))
        if not np.all(least > 1e-7 * most):
            raise ValueError(
                f"The {what} needs to be positive definite, got a singular or indefinite matrix "
                f"for user {int(np.argmin(np.where(np.isnan(least), -1.0, least)))}."
            )
    return factor


@in_double
def from_shapes(center: Num[ArrayLike, "K n"], shapes: Num[ArrayLike, "K n n"]) -> Ellipsoids:
    r"""Makes the sets :math:`\{h : (h - c)^H S^{-1} (h - c) \le 1\}`.

    Args:
      center: centres c, (K, n), 1/sqrt(W).
      shapes: Hermitian positive definite matrices S, (K, n, n), 1/W.

    Raises:
      ValueError: a matrix is not Hermitian, or not positive definite.

    Example:
      >>> import numpy as np
      >>> from sgl_jax.applications import beamforming as bf
      >>> sets = bf.from_shapes(np.ones((1, 2)), 4.0 * np.eye(2)[None])
      >>> float(sets.root[0, 0, 0].real)
      2.0
    """
    center, shapes = jnp.asarray(center, complex), jnp.asarray(shapes, complex)
    if shapes.ndim != 3 or shapes.shape[1] != shapes.shape[2]:
        raise ValueError(f"Shapes need the shape (K, n, n), got {shapes.shape}.")
    if is_known(shapes):
        skew = np.abs(np.asarray(shapes) - np.asarray(shapes).conj().swapaxes(1, 2)).max()
        if skew > 1e-10 * np.abs(np.asarray(shapes)).max():
            raise ValueError(
                f"Shapes of ellipsoids need to be Hermitian, got a matrix that differs from its "
                f"adjoint by {skew:.2g}."
            )
    return Ellipsoids(center=center, root=checked_factor(shapes, "shape of an ellipsoid"))
