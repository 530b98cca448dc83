"""Bounds on every entry."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sgl_jax._util.numerics import in_working_precision
from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax._util.typing import ArrayLike, ScalarOrSchedule
from sgl_jax.groups import GroupFamily
from sgl_jax.penalties._base import is_known
from sgl_jax.penalties._constraint import Constraint


__all__ = ["Box", "project_box"]


@pytree_dataclass()
class Box(Constraint):
    r"""Every entry lies between two bounds, in whatever group it is.

    .. math:: \text{low} \le w_i \le \text{high}

    Its prox is :func:`project_box`, in every diagonal metric too.

    At a glance:
      what it demands: every entry lies between two bounds

    Attributes:
      low: lower bound, a number or a schedule; ``-inf`` for none.
      high: upper bound, at least ``low``; ``inf`` for none.

    References:
      Parikh and Boyd, Proximal algorithms, Foundations and Trends in Optimization 1, 2014,
      section 6.2.4.
    """

    low: ScalarOrSchedule = -1.0
    high: ScalarOrSchedule = 1.0

    def __post_init__(self):
        known = is_known(self.low) and is_known(self.high)
        if known and not np.all(np.asarray(self.low) <= np.asarray(self.high)):
            raise ValueError(f"Box needs low <= high, got low={self.low}, high={self.high}.")

    def project(
        self, parts: Sequence[Array], family: GroupFamily, metrics: Sequence[Array] | None = None
    ) -> list[Array]:
        """Every entry clipped."""
        return [project_box(part, self.low, self.high) for part in parts]


@in_working_precision
def project_box(w: Float[Array, "..."], low: ArrayLike, high: ArrayLike) -> Float[Array, "..."]:
    r"""The nearest array with entries between two bounds.

    .. math:: \min(\max(w_i, \text{low}), \text{high})

    Entries that are not finite stay.

    Args:
      w: array of any shape.
      low: lower bound, a number or an array that broadcasts against ``w``.
      high: upper bound, at least ``low``.

    Returns:
      An array like ``w``.

    References:
      Parikh and Boyd, Proximal algorithms, Foundations and Trends in Optimization 1, 2014,
      section 6.2.4.
    """
    inside = jnp.where(w < low, low, jnp.where(w > high, high, w))
    return jnp.where(jnp.isfinite(w), inside, w)
