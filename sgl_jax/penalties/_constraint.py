"""The contract of a constraint: a penalty of 0 or infinity, whose prox is a projection.

A constraint has no strength: step sizes and weights mean nothing to it. It defines ``project``.
"""

import abc
from collections.abc import Sequence
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sgl_jax._util.numerics import require_real, working_dtype
from sgl_jax._util.typing import ArrayLike
from sgl_jax.groups import GroupFamily
from sgl_jax.penalties._base import Penalty, Range


__all__ = ["Constraint", "kept_entries", "ranks"]


class Constraint(Penalty):
    """A set of parameters, as the penalty that is 0 inside and infinite outside."""

    ranges: ClassVar[dict[str, Range]] = {}
    has_gradient: ClassVar[bool] = False
    default_weight: ClassVar[str | None] = None

    @abc.abstractmethod
    def project(
        self, parts: Sequence[Array], family: GroupFamily, metrics: Sequence[Array] | None = None
    ) -> list[Array]:
        """Finds the nearest point of the set; ``parts`` are the leaves of the family's members."""

    def rescaled(self, c: ArrayLike) -> "Constraint":
        """Returns the constraint itself, which has no strength."""
        del c
        return self

    def group_value(
        self, parts: Sequence[Array], family: GroupFamily, weight: ArrayLike = 1.0
    ) -> Array:
        del weight
        pairs = zip(self.project(parts, family), parts, strict=True)
        inside = [jnp.all(new == part) for new, part in pairs]
        dtype = working_dtype(*parts)
        return jnp.where(jnp.all(jnp.stack(inside)), jnp.zeros((), dtype), jnp.inf)

    def group_prox(
        self,
        parts: Sequence[Array],
        step_size: ArrayLike,
        family: GroupFamily,
        metrics: Sequence[Array] | None = None,
    ) -> list[Array]:
        del step_size
        return self.project(parts, family, metrics)

    def group_lam_max(
        self, parts: Sequence[Array], step_size: ArrayLike, family: GroupFamily
    ) -> Array:
        raise ValueError(
            f"A strength needs a penalty, got the constraint {type(self).__name__}, which has none."
        )

    def group_residual(
        self,
        parts: Sequence[Array],
        grads: Sequence[Array],
        family: GroupFamily,
        weight: ArrayLike = 1.0,
    ) -> list[Array]:
        raise ValueError(
            f"An optimality residual needs a penalty, got the constraint {type(self).__name__}; "
            "measure how far a proximal step moves the parameters."
        )


def ranks(
    parts: Sequence[Array], family: GroupFamily, metrics: Sequence[Array] | None
) -> list[Array]:
    r"""Maps entries to integers in the order of :math:`|w|` or :math:`d w^2`; 0 if not finite."""
    require_real(*parts)
    parts = [jax.lax.stop_gradient(part) for part in parts]
    sizes = [jnp.where(jnp.isfinite(part), jnp.abs(part), 0) for part in parts]
    if metrics is not None or len({part.dtype for part in parts}) > 1:
        sizes = [size.astype(working_dtype(*parts)) for size in sizes]
    if metrics is not None:
        roots = [jnp.sqrt(jax.lax.stop_gradient(d).astype(sizes[0].dtype)) for d in metrics]
        sizes = family.each(jnp.multiply, _in_units(sizes, family), _in_units(roots, family))
    kind = {2: jnp.int16, 4: jnp.int32, 8: jnp.int64}[sizes[0].dtype.itemsize]
    # Floating-point numbers >= 0 are ordered as their bits are, subnormal ones too.
    return [jax.lax.bitcast_convert_type(size, kind) for size in sizes]


def _in_units(factors: Sequence[Array], family: GroupFamily) -> list[Array]:
    """Divides factors by the scale of their group."""
    return family.each(jnp.multiply, factors, 1.0 / family.scale(factors))


def kept_entries(parts: Sequence[Array], kept: Sequence[Array]) -> list[Array]:
    """Keeps the entries of a mask, and those that are not finite; sets the others to zero."""
    pairs = zip(parts, kept, strict=True)
    return [jnp.where(mask | ~jnp.isfinite(part), part, 0) for part, mask in pairs]
