r"""The contract of a penalty.

A penalty is a frozen pytree: its strength ``lam`` and its shape parameters are leaves, so they can
be traced, vmapped and edited. ``lam`` may be a schedule, which an Optax link resolves.

Most penalties are functions of a norm: see :class:`~sgl_jax.NormPenalty`. One that is not is a
:class:`~sgl_jax.VectorPenalty`.

A new penalty is one file with one of the two, a line for the class and one for its operator.
"""

import abc
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from sgl_jax._util.narrowing import LeafPlan
from sgl_jax._util.typing import ArrayLike, Axes, Path, ScalarOrSchedule
from sgl_jax.groups import GroupFamily, Grouping, by_entry
from sgl_jax.penalties._strengths import narrow_strength


__all__ = ["NONNEGATIVE", "POSITIVE", "Penalty", "Range", "is_known"]


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
