r"""Penalties of singular values: a group is unfolded to a matrix.

Of all matrices :math:`Z` with given singular values, and so a given penalty
:math:`\sum_i \phi(\sigma_i(Z))`, the nearest to :math:`W` has the singular vectors of :math:`W`, by
von Neumann's trace inequality

.. math:: \langle Z, W \rangle \le \sum_i \sigma_i(Z)\, \sigma_i(W).

So the minimiser takes a scalar prox of every singular value. The results keep their order, because
the prox of any function is monotone. So the minimiser is exact for every step size, and of
nonconvex penalties too.
"""

import abc
import dataclasses
import math
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array

from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax._util.sharding import in_one_piece, split_like
from sgl_jax._util.typing import ArrayLike, ScalarOrSchedule
from sgl_jax.groups import LAYOUTS, Grouping, Layout, by_layer
from sgl_jax.penalties._base import Penalty, Range
from sgl_jax.penalties._norm import NormPenalty
from sgl_jax.penalties._singular_values import (
    cast,
    decompose,
    shrink_singular_values,
    sum_singular_values,
)
from sgl_jax.penalties._vector import VectorPenalty
from sgl_jax.penalties.l1 import L1


__all__ = ["Spectral", "SpectralPenalty"]


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
        return sum_singular_values(self._unfolded(w), cast(self.of_values, w.dtype))

    def vector_prox(self, w: Array, step_size: Array) -> Array:
        found = shrink_singular_values(self._unfolded(w), step_size, self.of_values)
        return split_like(found.reshape(w.shape), w)

    def vector_lam_max(self, w: Array, step_size: Array) -> Array:
        found = decompose(self._unfolded(w))
        return self.of_values.lam_max_phi(found.values[0] * found.scale, step_size)

    def vector_residual(self, w: Array, grad: Array, weight: Array) -> Array:
        found, matrix = decompose(self._unfolded(w)), self._unfolded(grad)
        live, penalty = found.values > 0, cast(self.of_values, w.dtype)
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
