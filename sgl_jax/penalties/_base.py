r"""The contract of a penalty.

A penalty is a frozen pytree: its strength ``lam`` and its shape parameters are leaves, so they can
be traced, vmapped and edited. ``lam`` may be a schedule, which an Optax link resolves.

Most penalties are :math:`\sum_g \phi(\|w_g\|_2)` for a scalar :math:`\phi`. Such a
:class:`NormPenalty` defines ``phi(t)`` for :math:`t \ge 0` and its scalar prox ``prox_phi(t,
step_size)``, odd in ``t``, and has the entrywise, the group and the metric form for free, because

.. math:: \operatorname{prox}(w_g) = w_g \, \operatorname{prox}_\phi(\|w_g\|) / \|w_g\|.

A penalty that is not a function of a norm is a :class:`~sgl_jax.VectorPenalty`.

A new penalty is one file with one of the two, a line for the class and one for its operator.
"""

import abc
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sgl_jax._util.narrowing import LeafPlan
from sgl_jax._util.numerics import ratio, with_slope, working_dtype
from sgl_jax._util.typing import ArrayLike, Axes, Path, ScalarOrSchedule
from sgl_jax.groups import GroupFamily, Grouping, by_entry
from sgl_jax.penalties._search import joint_prox, least_strength
from sgl_jax.penalties._strengths import narrow_strength


__all__ = ["NONNEGATIVE", "POSITIVE", "Curvature", "NormPenalty", "Penalty", "Range", "is_known"]


Curvature: TypeAlias = Literal["concave", "convex", "unknown"]
r"""The shape of a function of a norm on :math:`t \ge 0`; ``"unknown"`` promises nothing."""


class Range(NamedTuple):
    """The admissible values of a parameter, in words and as a predicate."""

    words: str
    holds: Callable[[np.ndarray], np.ndarray]


NONNEGATIVE = Range(">= 0", lambda value: value >= 0)
POSITIVE = Range("> 0", lambda value: value > 0)


def is_known(value: Any) -> bool:
    """True if a parameter has a value to check: schedules and tracers have none yet."""
    return not callable(value) and not isinstance(value, jax.core.Tracer)


def _satisfies(value: np.ndarray, allowed: Range) -> bool:
    real = np.issubdtype(value.dtype, np.number) and np.isrealobj(value)
    return real and bool(np.all(allowed.holds(value)))


class Penalty(abc.ABC):
    """A value and a proximal operator, for any grouping.

    Attributes:
      lam: strength.
      ranges: the admissible values of each parameter, checked at construction.
      has_gradient: False if the derivative of the value is zero almost everywhere, as that of l0.
      default_grouping: the groups of a :class:`~sgl_jax.Regularizer` to which none is given.
      default_weight: the weight of a group there, ``"sqrt_size"`` or ``None``.
    """

    lam: ScalarOrSchedule
    ranges: ClassVar[dict[str, Range]]
    has_gradient: ClassVar[bool] = True
    default_grouping: ClassVar[Grouping] = by_entry()
    default_weight: ClassVar[str | None] = "sqrt_size"

    def __post_init__(self):
        for name, allowed in self.ranges.items():
            value = getattr(self, name)
            if is_known(value) and not _satisfies(np.asarray(value), allowed):
                raise ValueError(
                    f"{type(self).__name__} needs {name} {allowed.words}, got {name}={value!r}."
                )

    def value(self, w: Float[Array, "..."], axes: Axes = (), weight: ArrayLike = 1.0) -> Array:
        """Computes the penalty of one leaf, the sum over its groups.

        Args:
          w: the leaf.
          axes: the axes that one group spans; ``()`` for every entry by itself.
          weight: multiplies the penalty of a group; a scalar, or of the shape of ``w`` reduced
            over ``axes`` with the axes kept.

        Returns:
          A scalar in the working dtype.
        """
        return self.group_value([w], GroupFamily.of_array(w.shape, axes), weight)

    def prox(
        self,
        w: Float[Array, "..."],
        step_size: ArrayLike,
        axes: Axes = (),
        metric: Float[Array, "..."] | None = None,
    ) -> Float[Array, "..."]:
        r"""Minimises ``step_size * value(z, axes)`` plus half a squared distance to ``w``.

        Args:
          w: the leaf.
          step_size: :math:`\ge 0`; a scalar, or of the shape of ``w`` reduced over ``axes`` with
            the axes kept, so that weights enter as ``step_size * weight``.
          axes: the axes that one group spans; ``()`` for every entry by itself.
          metric: a diagonal :math:`d > 0` of the shape of ``w``: the distance is
            :math:`\tfrac12 \sum_i d_i (z_i - w_i)^2`.

        Returns:
          An array like ``w``.

        Raises:
          ValueError: this penalty has no such form in a metric.
        """
        metrics = None if metric is None else [metric]
        return self.group_prox([w], step_size, GroupFamily.of_array(w.shape, axes), metrics)[0]

    def restricted(
        self, families: Sequence[GroupFamily], kept: Mapping[Path, LeafPlan]
    ) -> "Penalty":
        """Restricts strengths that differ from group to group to the groups that are left.

        Args:
          families: the groups, before they are narrowed.
          kept: for every leaf, by its path, the part that stays.

        Raises:
          ValueError: what is left of the groups cannot have this penalty.
        """
        return jax.tree.map(lambda strength: narrow_strength(strength, families, kept), self)

    def rescaled(self, c: ArrayLike) -> "Penalty":
        """Multiplies the strength by ``c``; shape parameters stay."""
        return dataclasses.replace(self, lam=self.lam * c)  # pyrefly: ignore

    @abc.abstractmethod
    def group_value(
        self, parts: Sequence[Array], family: GroupFamily, weight: ArrayLike = 1.0
    ) -> Array:
        """:meth:`value` for any family of groups: ``parts`` are the leaves of its members."""

    @abc.abstractmethod
    def group_prox(
        self,
        parts: Sequence[Array],
        step_size: ArrayLike,
        family: GroupFamily,
        metrics: Sequence[Array] | None = None,
    ) -> list[Array]:
        """:meth:`prox` for any family of groups: ``parts`` are the leaves of its members."""

    @abc.abstractmethod
    def group_lam_max(
        self, parts: Sequence[Array], step_size: ArrayLike, family: GroupFamily
    ) -> Array:
        """Finds the least strength at which :meth:`group_prox` is zero, per group.

        It is 0 for a group of zeros, and infinite for one that no strength sets to zero.
        """

    @abc.abstractmethod
    def group_residual(
        self,
        parts: Sequence[Array],
        grads: Sequence[Array],
        family: GroupFamily,
        weight: ArrayLike = 1.0,
    ) -> list[Array]:
        """Finds the shortest sum of a gradient and a subgradient of :meth:`group_value`.

        Args:
          parts: the leaves of the members.
          grads: gradients of the members, arrays like ``parts``.
          family: the family of groups.
          weight: multiplies the penalty of a group, a number or per group.

        Returns:
          Arrays like ``parts``, in the working dtype.
        """


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
