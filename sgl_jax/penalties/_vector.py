"""Penalties that are not functions of a norm."""

import abc
import dataclasses
from collections.abc import Callable, Sequence
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sgl_jax._util.numerics import working_dtype
from sgl_jax._util.typing import ArrayLike
from sgl_jax.groups import GroupFamily
from sgl_jax.penalties._base import Penalty
from sgl_jax.penalties._search import least_strength


__all__ = ["VectorPenalty"]


class VectorPenalty(Penalty):
    """A penalty that is not a function of a norm, defined for one group at a time.

    ``vector_value`` and ``vector_prox`` are vmapped over the groups of a family. A penalty that is
    faster on all of them at once, by the reductions of :class:`~sgl_jax.GroupFamily`, overrides
    ``values`` and ``shrunk``, to the same results.
    """

    default_weight: ClassVar[str | None] = None

    @abc.abstractmethod
    def vector_value(self, w: Float[Array, "..."]) -> Float[Array, ""]:
        """Computes the penalty of one group with the entries ``w``, an array of any shape."""

    @abc.abstractmethod
    def vector_prox(
        self, w: Float[Array, "..."], step_size: Float[Array, ""]
    ) -> Float[Array, "..."]:
        """Computes the prox of one group with the entries ``w``, an array of any shape."""

    def vector_lam_max(
        self, w: Float[Array, "..."], step_size: Float[Array, ""]
    ) -> Float[Array, ""]:
        """Finds the least strength at which :meth:`vector_prox` of one group, not zero, is zero.

        This is a bisection of the prox; penalties with a formula for it override it.
        """

        def dead(lam):
            penalty = dataclasses.replace(self, lam=lam)  # pyrefly: ignore
            return jnp.all(penalty.vector_prox(w, step_size) == 0)

        return least_strength(dead, jnp.max(jnp.abs(w)) / step_size)

    def vector_residual(
        self, w: Float[Array, "..."], grad: Float[Array, "..."], weight: Float[Array, ""]
    ) -> Float[Array, "..."]:
        """Finds the shortest sum of a gradient and ``weight`` times a subgradient, of one group.

        Raises:
          ValueError: the penalty does not define its subgradients.
        """
        del w, grad, weight
        raise ValueError(
            f"An optimality residual needs a penalty with subgradients, got {type(self).__name__}; "
            "define its vector_residual, or measure how far a proximal step moves the parameters."
        )

    def values(self, parts: Sequence[Array], family: GroupFamily) -> Array:
        """Computes the penalty of every group, per group; ``parts`` are in the working dtype."""
        if family.plain:
            rows, mapped = _by_group(self.vector_value, parts[0], family)
            return mapped(rows).reshape(family.shape)
        return jax.vmap(self.vector_value)(_to_rows(parts, family))

    def shrunk(self, parts: Sequence[Array], step_size: Array, family: GroupFamily) -> list[Array]:
        """Computes the prox of every group; ``step_size`` is a number or per group."""
        if family.plain:
            # vmap wants both arguments sharded alike, as the sum is, which is never computed.
            step_size = step_size + jnp.zeros_like(family.sum(parts), dtype=step_size.dtype)
            rows, mapped = _by_group(self.vector_prox, parts[0], family)
            kept = family.members[0].index_axes
            out = mapped(rows, jnp.squeeze(step_size, family.members[0].axes))
            return [jnp.moveaxis(out, range(len(kept)), kept)]
        step_size = jnp.broadcast_to(step_size, family.shape)
        return _from_rows(jax.vmap(self.vector_prox)(_to_rows(parts, family), step_size), family)

    def group_value(
        self, parts: Sequence[Array], family: GroupFamily, weight: ArrayLike = 1.0
    ) -> Array:
        dtype = working_dtype(*parts)
        values = self.values([part.astype(dtype) for part in parts], family)
        return jnp.sum(jnp.asarray(weight, dtype) * values)

    def group_prox(
        self,
        parts: Sequence[Array],
        step_size: ArrayLike,
        family: GroupFamily,
        metrics: Sequence[Array] | None = None,
    ) -> list[Array]:
        if metrics is not None:
            raise ValueError(
                f"A prox in a diagonal metric needs a penalty that is a function of a norm, got "
                f"{type(self).__name__}; take Euclidean steps."
            )
        dtype = working_dtype(*parts)
        wide = [part.astype(dtype) for part in parts]
        found = self.shrunk(wide, jnp.asarray(step_size, dtype), family)
        return [new.astype(part.dtype) for new, part in zip(found, parts, strict=True)]

    def group_lam_max(
        self, parts: Sequence[Array], step_size: ArrayLike, family: GroupFamily
    ) -> Array:
        wide = [part.astype(working_dtype(*parts)) for part in parts]
        peak, rows = family.max([jnp.abs(part) for part in wide]), _shaped_rows(wide, family)
        steps = jnp.broadcast_to(jnp.asarray(step_size, peak.dtype), peak.shape)
        found = jax.vmap(self.vector_lam_max)(rows, steps.ravel()).reshape(peak.shape)
        return jnp.where(peak > 0, found, 0.0)

    def group_residual(
        self,
        parts: Sequence[Array],
        grads: Sequence[Array],
        family: GroupFamily,
        weight: ArrayLike = 1.0,
    ) -> list[Array]:
        dtype = working_dtype(*parts)
        rows, slopes = (
            _shaped_rows([leaf.astype(dtype) for leaf in leaves], family)
            for leaves in (parts, grads)
        )
        weights = jnp.broadcast_to(jnp.asarray(weight, dtype), family.shape).ravel()
        found = jax.vmap(self.vector_residual)(rows, slopes, weights)
        return _from_rows(found.reshape(family.rows.shape), family)


def _shaped_rows(parts: Sequence[Array], family: GroupFamily) -> Array:
    """Gathers the entries of every group, in the shape that they have in a single leaf."""
    if not family.plain:
        return _to_rows(parts, family)
    (member,) = family.members
    rows = jnp.moveaxis(parts[0], member.index_axes, range(len(member.index_axes)))
    return rows.reshape(family.count, *(member.shape[axis] for axis in member.axes))


def _by_group(function: Callable, part: Array, family: GroupFamily) -> tuple[Array, Callable]:
    """Moves the axes of the positions first, and maps the function over them."""
    kept = family.members[0].index_axes
    for _ in kept:
        function = jax.vmap(function)
    return jnp.moveaxis(part, kept, range(len(kept))), function


def _to_rows(parts: Sequence[Array], family: GroupFamily) -> Array:
    """Gathers one row of entries per group, short groups padded with zeros."""
    flat = [jnp.zeros(1, parts[0].dtype), *(part.ravel() for part in parts)]
    return jnp.concatenate(flat)[family.rows]


def _from_rows(rows: Array, family: GroupFamily) -> list[Array]:
    flat = jnp.zeros(1 + int(family.rows.max(initial=0)), rows.dtype)
    return family.split(flat.at[family.rows.ravel()].set(rows.ravel())[1:])
