"""No negative entries."""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

from sgl_jax._util.numerics import require_real
from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax.groups import GroupFamily
from sgl_jax.penalties._constraint import Constraint


__all__ = ["NonNegative", "project_nonnegative"]


@pytree_dataclass()
class NonNegative(Constraint):
    r"""No entry is negative, in whatever group it is.

    .. math:: w_i \ge 0

    Its prox is :func:`project_nonnegative`, in every diagonal metric too.

    At a glance:
      what it demands: no entry is negative

    References:
      Parikh and Boyd, Proximal algorithms, Foundations and Trends in Optimization 1, 2014,
      section 6.2.4.
    """

    def project(
        self, parts: Sequence[Array], family: GroupFamily, metrics: Sequence[Array] | None = None
    ) -> list[Array]:
        """Every negative entry set to zero."""
        return [project_nonnegative(part) for part in parts]


def project_nonnegative(w: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""The nearest array without negative entries.

    .. math:: \max(w_i, 0)

    Entries that are not finite stay.

    Args:
      w: array of any shape.

    Returns:
      An array like ``w``.

    References:
      Parikh and Boyd, Proximal algorithms, Foundations and Trends in Optimization 1, 2014,
      section 6.2.4.
    """
    require_real(w)
    return jnp.where((w <= 0) & jnp.isfinite(w), 0, w)
