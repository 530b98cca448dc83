"""The nuclear norm."""

from typing import ClassVar

from jaxtyping import Array, Float

from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax._util.typing import ArrayLike, ScalarOrSchedule
from sgl_jax.groups import Layout
from sgl_jax.penalties._base import NONNEGATIVE, Range
from sgl_jax.penalties._norm import NormPenalty
from sgl_jax.penalties._singular_values import shrink_singular_values
from sgl_jax.penalties._spectral import SpectralPenalty
from sgl_jax.penalties.l1 import L1


__all__ = ["NuclearNorm", "prox_nuclear"]


@pytree_dataclass(static=("layout",))
class NuclearNorm(SpectralPenalty):
    r"""The sum of the singular values of a kernel: it lowers its rank.

    .. math:: \lambda \|W\|_* = \lambda \sum_i \sigma_i(W)

    It is ``Spectral(L1(lam))``, whose docstring says how a kernel becomes a matrix and what it
    costs. Its prox is :func:`prox_nuclear`.

    At a glance:
      phi: :math:`\lambda \sum_i \sigma_i` of a kernel, as (kh kw in, out)
      its prox jumps: never
      large weights lose: :math:`c` of every :math:`\sigma_i`
      source: Cai and others 2010

    Attributes:
      lam: strength :math:`\lambda \ge 0`, or a schedule.
      layout: ``"HWIO"`` or ``"OIHW"``, as of :class:`~sgl_jax.Spectral`.

    References:
      Cai, Candès and Shen, A singular value thresholding algorithm for matrix completion, SIAM J.
      Optim. 20, 2010.
    """

    lam: ScalarOrSchedule
    layout: Layout = "HWIO"
    ranges: ClassVar[dict[str, Range]] = {"lam": NONNEGATIVE}

    @property
    def of_values(self) -> NormPenalty:
        return L1(self.lam)


def prox_nuclear(
    w: Float[Array, "m n"], step_size: ArrayLike, lam: ArrayLike
) -> Float[Array, "m n"]:
    r"""The proximal operator of the nuclear norm, singular value thresholding.

    .. math::
      U \operatorname{diag}\bigl((\sigma - s\lambda)_+\bigr) V^\top, \qquad
      W = U \operatorname{diag}(\sigma) V^\top

    Args:
      w: a matrix.
      step_size: :math:`s \ge 0`, a scalar.
      lam: strength :math:`\lambda \ge 0`, a scalar.

    Returns:
      A matrix like ``w``.

    References:
      Cai, Candès and Shen, A singular value thresholding algorithm for matrix completion, SIAM J.
      Optim. 20, 2010.
    """
    return shrink_singular_values(w, step_size, L1(lam))
