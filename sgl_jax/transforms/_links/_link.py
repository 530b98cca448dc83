"""Links: terms of the objective that Optax transformations add, each with the place of its zeros.

A link is a frozen pytree whose leaves are its strengths: numbers, arrays or schedules. An Optax
transformation holds the link that its user gave; the state (:class:`~._state.LinkState`) holds what
``init`` made of it. Five kinds are enough for all transformations and algorithms: the two here, the
splitting of :func:`~sgl_jax.sgl_transform`, the envelope of :func:`~sgl_jax.relaxed_splitting` and
the mixture of :func:`~sgl_jax.cges`.
"""

import abc
import dataclasses
from typing import Any, Literal, TypeAlias, TypeVar

import jax.numpy as jnp
from jaxtyping import Array

from sgl_jax._util.pytree import pytree_dataclass
from sgl_jax._util.typing import Leaves, Params, Path
from sgl_jax.groups import GroupingLike, resolved_groups
from sgl_jax.regularizers import RegularizerLike, require_regularizer


__all__ = ["GroupsLink", "Link", "RegularizerLink", "Zeros"]

Zeros: TypeAlias = Literal["nowhere", "parameters", "copy"]
"""The place of exact zeros; a copy is the ``z`` of the state."""

L = TypeVar("L", bound="Link")


class Link(abc.ABC):
    """A term of the objective, and the place of the exact zeros that it leads to."""

    @abc.abstractmethod
    def resolved(self: L, params: Params) -> L:
        """Finds the groups of these parameters; done once, in ``init``."""

    @property
    @abc.abstractmethod
    def paths(self) -> frozenset[Path]:
        """Names of the leaves it acts on; once resolved."""

    @abc.abstractmethod
    def value(self, leaves: Leaves) -> Array:
        """Computes what the link adds to the loss, a scalar; once resolved."""

    @abc.abstractmethod
    def sparse(self, leaves: Leaves, z: Leaves | None) -> Leaves | None:
        """Finds the leaves with their exact zeros; once resolved.

        Args:
          leaves: the parameters by path.
          z: the copy in the state, if it keeps one.

        Returns:
          ``leaves`` itself where the zeros are in the parameters, ``None`` where there are none.
        """


@pytree_dataclass(static=("zeros",))
class RegularizerLink(Link):
    """A regularizer on the parameters, or on a copy of them.

    Attributes:
      regularizer: the term.
      numbers: the other strengths by name, such as ``{"step_size": 0.1}``.
      zeros: where its exact zeros are.
    """

    regularizer: RegularizerLike
    numbers: dict[str, Any]
    zeros: Zeros

    def __post_init__(self):
        require_regularizer("An optimizer", self.regularizer)

    def resolved(self, params: Params) -> "RegularizerLink":
        return dataclasses.replace(self, regularizer=self.regularizer.resolved(params))

    @property
    def paths(self) -> frozenset[Path]:
        return self.regularizer.paths

    def value(self, leaves: Leaves) -> Array:
        return self.regularizer.value_leaves(leaves)

    def sparse(self, leaves: Leaves, z: Leaves | None) -> Leaves | None:
        return {"nowhere": None, "parameters": leaves, "copy": z}[self.zeros]


@pytree_dataclass()
class GroupsLink(Link):
    """Groups that a step makes zero, in the parameters, without a term in the objective.

    Attributes:
      grouping: the groups, and with them the leaves it acts on.
      numbers: strengths by name.
    """

    grouping: GroupingLike
    numbers: dict[str, Any]

    def resolved(self, params: Params) -> "GroupsLink":
        return dataclasses.replace(self, grouping=self.grouping.resolve(params))

    @property
    def paths(self) -> frozenset[Path]:
        return resolved_groups(self.grouping).paths

    def value(self, leaves: Leaves) -> Array:
        del leaves
        return jnp.zeros(())

    def sparse(self, leaves: Leaves, z: Leaves | None) -> Leaves | None:
        del z
        return leaves
