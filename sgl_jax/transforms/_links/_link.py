"""What the links have in common: what a link does, and how its strengths live in its state.

What a link does is a frozen pytree, a :class:`Link`, whose leaves are its strengths. Its state
keeps those by name in a dict, where ``optax.tree.get(state, "lam")`` and ``optax.tree.set(state,
lam=...)`` find them, and the rest as a static :class:`Plan`.
"""

import abc
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sgl_jax._util.narrowing import LeafPlan, narrow_parts
from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Params, Path, Updates
from sgl_jax.regularizers import RegularizerLike
from sgl_jax.transforms._links._footprint import Checksum


__all__ = [
    "CopyState",
    "Leaves",
    "Link",
    "LinkState",
    "Plan",
    "RegularizerLink",
    "Strengths",
    "added",
    "check_sign",
    "in_force",
    "planned",
    "required",
    "select",
    "updated",
]

Leaves = dict[Path, Array]
"""Some leaves of a tree by path; itself a tree in which they have the same paths."""

Strengths = dict[str, Any]
"""The strengths in force by name: arrays, wrapped ones inside ``nnx.Optimizer``."""


L = TypeVar("L", bound="Link")


class Link(abc.ABC):
    """What an Optax link of this package does, as the views of :mod:`sgl_jax.transforms` see it.

    Attributes:
      sets_zeros: whether :meth:`sparse` is where the exact zeros of its leaves are.
      splits: whether the zeros are in other arrays than the leaves.
    """

    sets_zeros: ClassVar[bool]
    splits: ClassVar[bool] = False

    @property
    @abc.abstractmethod
    def paths(self) -> frozenset[Path]:
        """Names of the leaves it acts on; once resolved."""

    @abc.abstractmethod
    def resolved(self: L, params: Params) -> L:
        """The same on the groups of these parameters."""

    @abc.abstractmethod
    def sparse(self, leaves: Leaves) -> Leaves:
        """The leaves with their exact zeros."""

    @abc.abstractmethod
    def value(self, leaves: Leaves) -> Array:
        """What it adds to the loss."""


class RegularizerLink(Link):
    """A link that leaves the weights what they are, and adds a regularizer to the loss.

    Attributes:
      regularizer: what is added.
    """

    regularizer: RegularizerLike

    @property
    def paths(self) -> frozenset[Path]:
        return self.regularizer.paths

    def resolved(self: L, params: Params) -> L:
        regularizer = self.regularizer.resolved(params)  # pyrefly: ignore
        return dataclasses.replace(self, regularizer=regularizer)  # pyrefly: ignore

    def sparse(self, leaves: Leaves) -> Leaves:
        """The leaves as they are: whatever zeros it sets are in the weights."""
        return leaves

    def value(self, leaves: Leaves) -> Array:
        return self.regularizer.value(leaves)


def _named(link: Link) -> dict[str, Any]:
    """The strengths of a link by name: ``lam``, ``beta``; ``entry_lam`` in a sparse group."""
    keyed, _ = jax.tree_util.tree_flatten_with_path(link)
    wrappers = ("regularizer", "penalty")
    names = [
        "_".join(
            part
            for key in path
            if (part := jax.tree_util.keystr((key,), simple=True)) not in wrappers
        )
        for path, _ in keyed
    ]
    return dict(zip(names, (leaf for _, leaf in keyed), strict=True))


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Plan(Generic[L]):
    """A resolved link without its strengths: static and hashable, a pytree without leaves."""

    structure: Any
    names: tuple[str, ...]

    def link(self, strengths: Strengths) -> L:
        """The link with these strengths in force."""
        # A strength is a tree of one leaf: containers such as nnx.Optimizer wrap every array.
        leaves = [jax.tree.leaves(strengths[name])[0] for name in self.names]
        return jax.tree.unflatten(self.structure, leaves)

    def narrowed(self, kept: Mapping[Path, LeafPlan]) -> "Plan[L]":
        """The plan of the link on the groups of what stays."""
        link = jax.tree.unflatten(self.structure, [0.0] * self.structure.num_leaves)
        return Plan(jax.tree.structure(narrow_parts(link, kept)), self.names)


class LinkState(NamedTuple):
    """State of a link that changes gradients.

    Attributes:
      count: updates so far.
      strengths: the strengths in force, by name.
      plan: the rest of the link, resolved.
    """

    count: Array
    strengths: Strengths
    plan: Plan


class CopyState(NamedTuple):
    """State of a link whose exact zeros are in other arrays than the parameters.

    Attributes:
      count: updates so far.
      strengths: the strengths in force, by name.
      plan: the rest of the link, resolved.
      z: the arrays with the exact zeros; a tree with the paths of the parameters.
      footprint: where the last update led, for a method whose parameters must be there.
    """

    count: Array
    strengths: Strengths
    plan: Plan
    z: Params
    footprint: Checksum | None = None


def planned(link: L, params: Params) -> tuple[Strengths, Plan[L]]:
    """Resolves a link on parameters and takes it apart for its state."""
    resolved = link.resolved(params)
    named = _named(resolved)
    plan = Plan(jax.tree.structure(resolved), tuple(named))
    count = jnp.zeros((), jnp.int32)
    return {name: _strength(value, count) for name, value in named.items()}, plan


def in_force(link: Link, strengths: Strengths, count: Array) -> Strengths:
    """The strengths of an update.

    A number was written by ``init`` and is read from the state ever after, so that an edited or
    a vmapped leaf counts. A schedule is evaluated at every update, and so is a value that came
    as a JAX array, because ``optax.inject_hyperparams`` builds its link anew at every update.
    """

    def read(given, stored):
        anew = callable(given) or isinstance(given, jax.Array)
        return _strength(given if anew else stored, count)

    return {name: read(given, strengths[name]) for name, given in _named(link).items()}


def _strength(value: Any, count: Array) -> Array:
    """A number, array or schedule as an array of the default float dtype."""
    return jnp.asarray(value(count) if callable(value) else value, float)


def required(params: Params | None, name: str) -> Params:
    """The parameters, which Optax lets a caller leave out."""
    if params is None:
        raise ValueError(f"{name} needs the parameters: call update(updates, state, params).")
    return params


def check_sign(link: str, positive: bool = False, **strengths: Any) -> None:
    """Refuses negative numbers; schedules and traced values cannot be looked at."""
    words = "> 0" if positive else ">= 0"
    for name, value in strengths.items():
        opaque = value is None or callable(value) or isinstance(value, jax.core.Tracer)
        if not opaque and not (value > 0 if positive else value >= 0):
            raise ValueError(f"{link} needs {name} {words}, got {name}={value}.")


def select(tree: Params, paths: frozenset[Path]) -> Leaves:
    """The leaves of a tree at ``paths``, as far as it has them."""
    leaves, _ = flatten_by_path(tree)
    return {path: leaf for path, leaf in leaves.items() if path in paths}


def updated(updates: Updates, change: Leaves, join: Callable[[Array, Array], Array]) -> Updates:
    """``updates`` with ``join(update, change)`` at the leaves that have a change."""
    leaves, rebuild = flatten_by_path(updates)
    return rebuild(
        {path: join(u, change[path]) if path in change else u for path, u in leaves.items()}
    )


def added(updates: Updates, change: Leaves) -> Updates:
    """``updates`` plus ``change``, in the dtype of the updates."""
    return updated(updates, change, lambda u, pull: u + pull.astype(u.dtype))
