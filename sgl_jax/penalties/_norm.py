r"""Penalties that are functions of a norm.

Most penalties are :math:`\sum_g \phi(\|w_g\|_2)` for a scalar :math:`\phi`. Such a
:class:`NormPenalty` defines ``phi(t)`` for :math:`t \ge 0` and its scalar prox ``prox_phi(t,
step_size)``, odd in ``t``, and has the entrywise, the group and the metric form for free, because

.. math:: \operatorname{prox}(w_g) = w_g \, \operatorname{prox}_\phi(\|w_g\|) / \|w_g\|.
"""

import abc
import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sgl_jax._util.numerics import ratio, with_slope, working_dtype
from sgl_jax._util.typing import ArrayLike
from sgl_jax.groups import GroupFamily
from sgl_jax.penalties._base import Penalty
from sgl_jax.penalties._search import joint_prox, least_strength


__all__ = ["Curvature", "NormPenalty"]


Curvature: TypeAlias = Literal["concave", "convex", "unknown"]
r"""The shape of a function of a norm on :math:`t \ge 0`; ``"unknown"`` promises nothing."""


class NormPenalty(Penalty):
    r"""A penalty :math:`\sum_g \phi(\|w_g\|_2)`, with :math:`\phi` nondecreasing, 0 at 0.

    A joint prox certifies its result by the curvature that a penalty declares, so there are no
    defaults: every penalty states both attributes, and :func:`~sgl_jax.check_penalty` compares them
    with :math:`\phi`.

    Attributes:
      curvature: ``"concave"`` or ``"convex"`` for :math:`t \ge 0`, or ``"unknown"``.
      half_quadratic: True if :math:`\phi` is concave in :math:`t^2`, as every function is that is
        nondecreasing and concave in :math:`t`.
    """

    curvature: ClassVar[Curvature]
    half_quadratic: ClassVar[bool]

    def __init_subclass__(cls, **options: Any):
        super().__init_subclass__(**options)
        missing = [name for name in ("curvature", "half_quadratic") if not hasattr(cls, name)]
        if missing and not getattr(cls.phi, "__isabstractmethod__", False):
            raise TypeError(
                f"A penalty that is a function of a norm needs class attributes curvature and "
                f"half_quadratic, got {cls.__name__} without {' and '.join(missing)}; state them, "
                f'"unknown" and False if in doubt.'
            )

    @abc.abstractmethod
    def phi(self, t: Float[Array, "..."]) -> Float[Array, "..."]:
        """The penalty of a group of norm ``t >= 0``."""

    @abc.abstractmethod
    def prox_phi(self, t: Float[Array, "..."], step_size: ArrayLike) -> Float[Array, "..."]:
        """Minimises ``step_size * phi(|z|) + (z - t)^2 / 2``; odd in ``t``."""

    def lam_max_phi(self, t: Float[Array, "..."], step_size: ArrayLike) -> Float[Array, "..."]:
        """Finds the least strength at which :meth:`prox_phi` of ``t > 0`` is zero.

        It inverts the threshold, the largest norm that a strength sets to zero. This is a bisection
        of the prox; penalties whose threshold is a formula override it.
        """

        def dead(lam):
            return dataclasses.replace(self, lam=lam).prox_phi(t, step_size) == 0  # pyrefly: ignore

        return least_strength(dead, t / step_size)

    def slope_phi(self, t: Float[Array, "..."]) -> Float[Array, "..."]:
        """Differentiates :meth:`phi`, at ``t = 0`` from the right."""
        return with_slope(self.phi, t)[1]

    def semiconcavity(self) -> Any:
        r"""A :math:`\kappa \ge 0` for which :math:`\phi(t) - \tfrac\kappa2 t^2` is concave.

        The smaller it is, the faster a joint prox; infinite if none is known.
        """
        return 0.0 if self.curvature == "concave" else float("inf")

    def prox_norm_in_metric(
        self,
        parts: Sequence[Array],
        step_size: ArrayLike,
        family: GroupFamily,
        metrics: Sequence[Array],
    ) -> list[Array]:
        """The group prox in a diagonal metric."""
        return joint_prox(parts, family, [None] * len(parts), self, 0.0, step_size, metrics)[0]

    def group_value(
        self, parts: Sequence[Array], family: GroupFamily, weight: ArrayLike = 1.0
    ) -> Array:
        of_group = self.phi(family.norm(parts))
        return jnp.sum(jnp.asarray(weight, of_group.dtype) * of_group)

    def group_prox(
        self,
        parts: Sequence[Array],
        step_size: ArrayLike,
        family: GroupFamily,
        metrics: Sequence[Array] | None = None,
    ) -> list[Array]:
        if family.single:
            (w,) = parts
            if metrics is not None:
                dtype = working_dtype(w)
                step_size = jnp.asarray(step_size, dtype) / metrics[0].astype(dtype)
            return [self.prox_phi(w, step_size)]
        if metrics is not None:
            return self.prox_norm_in_metric(parts, step_size, family, metrics)
        norm = family.norm(parts)
        # A zero group takes the factor of a tiny one, so that its derivative is right: below all
        # thresholds but those next to underflow, and not so tiny that a smooth prox underflows.
        least = 1024.0 * float(jnp.finfo(norm.dtype).tiny)
        safe = jnp.where(norm > 0, norm, least)
        factor = ratio(self.prox_phi(safe, step_size), safe)
        factor = jnp.where(norm == 0, jax.lax.stop_gradient(factor), factor)
        factor = jnp.where(norm < jnp.inf, factor, 1.0)
        return scaled(parts, family.spread(factor))

    def group_lam_max(
        self, parts: Sequence[Array], step_size: ArrayLike, family: GroupFamily
    ) -> Array:
        norm = family.norm(parts)
        alive, step_size = norm > 0, jnp.asarray(step_size, norm.dtype)
        return jnp.where(alive, self.lam_max_phi(jnp.where(alive, norm, 1.0), step_size), 0.0)

    def group_residual(
        self,
        parts: Sequence[Array],
        grads: Sequence[Array],
        family: GroupFamily,
        weight: ArrayLike = 1.0,
    ) -> list[Array]:
        norm, pull = family.norm(parts), family.norm(grads)
        slope = jnp.asarray(weight, norm.dtype) * self.slope_phi(norm)
        # A live group adds slope w / |w|; one of zeros any vector up to the slope at zero.
        live = jnp.where(norm > 0, slope / jnp.where(norm > 0, norm, 1.0), 0.0)
        left = jnp.maximum(pull - slope, 0.0) / jnp.where(pull > 0, pull, 1.0)
        left = jnp.where(norm > 0, 1.0, left)
        return family.each(lambda g, w, up, a: a * g + up * w, grads, parts, live, left)


def scaled(parts: Sequence[Array], factors: Sequence[Array]) -> list[Array]:
    """Multiplies every part by its factor, in the dtype of the factor, and casts it back."""
    pairs = zip(parts, factors, strict=True)
    return [(part.astype(factor.dtype) * factor).astype(part.dtype) for part, factor in pairs]
