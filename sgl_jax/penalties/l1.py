"""The l1 norm; on groups, the group lasso."""

from collections.abc import Sequence
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from sgl_jax._util.numerics import in_working_precision, odd, working_dtype
from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax._util.typing import ArrayLike, ScalarOrSchedule
from sgl_jax.groups import GroupFamily
from sgl_jax.penalties._base import NONNEGATIVE, Range
from sgl_jax.penalties._norm import Curvature, NormPenalty
from sgl_jax.penalties._search._metric import shrink_norm_in_metric


__all__ = ["L1", "prox_l1"]


@pytree_dataclass()
class L1(NormPenalty):
    r"""The l1 norm on entries, the group lasso on groups.

    .. math:: \phi(t) = \lambda t

    Its prox is soft thresholding, :func:`prox_l1`. It is the one entry penalty over which
    a group prox composes exactly (:class:`~sgl_jax.SparseGroup`).

    At a glance:
      phi: :math:`\lambda t`
      its prox jumps: never
      large weights lose: :math:`c`
      source: Tibshirani 1996

    Attributes:
      lam: strength :math:`\lambda \ge 0`, or a schedule.

    References:
      Tibshirani, Regression shrinkage and selection via the lasso, J. R. Stat. Soc. B 58, 1996.
      Yuan and Lin, Model selection and estimation in regression with grouped variables,
      J. R. Stat. Soc. B 68, 2006.
    """

    lam: ScalarOrSchedule
    ranges: ClassVar[dict[str, Range]] = {"lam": NONNEGATIVE}
    curvature: ClassVar[Curvature] = "concave"
    half_quadratic: ClassVar[bool] = True

    def phi(self, t: Array) -> Array:
        return jnp.asarray(self.lam, t.dtype) * t

    def prox_phi(self, t: Array, step_size: ArrayLike) -> Array:
        return prox_l1(t, step_size, self.lam)

    def lam_max_phi(self, t: Array, step_size: ArrayLike) -> Array:
        return t / step_size

    def prox_norm_in_metric(
        self,
        parts: Sequence[Array],
        step_size: ArrayLike,
        family: GroupFamily,
        metrics: Sequence[Array],
    ) -> list[Array]:
        dtype = working_dtype(*parts)
        threshold = jnp.asarray(step_size, dtype) * jnp.asarray(self.lam, dtype)
        return shrink_norm_in_metric(parts, threshold, family, metrics)


@in_working_precision
def prox_l1(w: Float[Array, "..."], step_size: ArrayLike, lam: ArrayLike) -> Float[Array, "..."]:
    r"""Soft thresholding, for :math:`\lambda |z|`.

    .. math:: \operatorname{sign}(w) \max(|w| - s\lambda, 0)

    Args:
      w: array of any shape.
      step_size: :math:`s \ge 0`.
      lam: strength :math:`\lambda \ge 0`.

    Returns:
      An array like ``w``.
    """
    threshold = step_size * lam
    return odd(w, threshold, lambda t: t - threshold)
