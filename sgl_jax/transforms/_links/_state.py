"""The state of a link: its strengths by name, and the rest of it as static metadata."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from sgl_jax._util.narrowing import LeafPlan, narrow_parts
from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Params, Path
from sgl_jax.transforms._links._link import Link
from sgl_jax.transforms._links._watch import Checksum, Footprint


__all__ = ["LinkDef", "LinkState", "Strengths", "advance", "init_state"]

Strengths: TypeAlias = dict[str, Any]
"""The strengths in force by name: arrays, which ``nnx.Optimizer`` wraps into variables."""

L = TypeVar("L", bound=Link)

_WRAPPERS = ("entry", "numbers", "penalty", "regularizer")
"""Fields that are no part of the name of a strength."""


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class LinkDef(Generic[L]):
    """A resolved link without its strengths, as ``nnx.GraphDef`` is a module without its arrays.

    It is static and hashable: a pytree without leaves.

    Attributes:
      structure: the tree structure of the link.
      names: the names of its leaves.
      evaluated: those that :func:`advance` evaluates at every update.
    """

    structure: Any
    names: tuple[str, ...]
    evaluated: tuple[str, ...]

    def merge(self, strengths: Strengths) -> L:
        """Puts strengths into the link."""
        # A strength is a tree of one leaf: containers such as nnx.Optimizer wrap every array.
        leaves = [jax.tree.leaves(strengths[name])[0] for name in self.names]
        return jax.tree.unflatten(self.structure, leaves)


class LinkState(NamedTuple):
    """State of a link, of whatever kind.

    The views :func:`~sgl_jax.sparse_params`, :func:`~sgl_jax.check` and
    :func:`~sgl_jax.penalty_value` find it wherever it is in an Optax state.

    Attributes:
      count: updates so far.
      strengths: the strengths in force, by name, where ``optax.tree.get(state, "lam")`` and
        ``optax.tree.set(state, lam=...)`` find them.
      linkdef: the rest of the link, resolved.
      z: the copy with the exact zeros, a tree with the paths of the parameters; ``None`` where the
        zeros are in the parameters, or are computed from them.
      watch: what the last update asked of the parameters; ``None`` if nothing.
    """

    count: Array
    strengths: Strengths
    linkdef: LinkDef
    z: Params | None = None
    watch: Footprint | Checksum | None = None

    @property
    def link(self) -> Link:
        """The link with its strengths in force."""
        return self.linkdef.merge(self.strengths)

    def narrowed(self, kept: Mapping[Path, LeafPlan]) -> "LinkState":
        """Narrows the groups of the link, their weights, the copy and the watch to what stays.

        Args:
          kept: for every leaf of the parameters, by its path, the part that stays.
        """
        link = narrow_parts(self.link, kept)
        linkdef = dataclasses.replace(self.linkdef, structure=jax.tree.structure(link))
        pairs = zip(self.linkdef.names, jax.tree.leaves(link), strict=True)
        # A container such as nnx.Optimizer wraps every array, and finds it wrapped again.
        strengths = {name: _fill(self.strengths[name], leaf) for name, leaf in pairs}
        z, rebuild = flatten_by_path(self.z)
        z = rebuild({path: kept[path].take(leaf) for path, leaf in z.items()})
        return LinkState(self.count, strengths, linkdef, z, narrow_parts(self.watch, kept))


def _fill(wrapped: Any, array: Array) -> Any:
    """Puts an array in the place of the one array of a tree."""
    return jax.tree.map(lambda _: array, wrapped)


def init_state(link: Link, params: Params) -> LinkState:
    """Resolves a link on parameters and splits it into strengths and structure."""
    resolved, count = link.resolved(params), jnp.zeros((), jnp.int32)
    named = _named(resolved)
    evaluated = tuple(name for name, given in named.items() if _is_evaluated(given))
    linkdef = LinkDef(jax.tree.structure(resolved), tuple(named), evaluated)
    strengths = {name: _evaluate(value, count) for name, value in named.items()}
    return LinkState(count, strengths, linkdef)


def advance(link: L, state: LinkState) -> tuple[L, LinkState]:
    """Evaluates the strengths of an update, and counts the update.

    A number was written by :func:`init_state` and is read from the state from then on, so that an
    edited or a vmapped leaf counts. A schedule is evaluated at every update, and so is a value that
    comes as a JAX array, because ``optax.inject_hyperparams`` builds its link anew at every update.

    Args:
      link: as its user gave it.
      state: the state of the link.

    Returns:
      The resolved link with its strengths in force, and the state with those and one more update.
    """

    def read(given, stored):
        anew = callable(given) or (isinstance(given, jax.Array) and _fits(given, stored))
        return _evaluate(given if anew else stored, state.count)

    strengths = {name: read(given, state.strengths[name]) for name, given in _named(link).items()}
    count = optax.safe_increment(state.count)
    return state.linkdef.merge(strengths), state._replace(count=count, strengths=strengths)


def _fits(given: Array, stored: Any) -> bool:
    """True if the shapes agree; they differ once stored weights were narrowed with their groups."""
    return jnp.shape(given) == jnp.shape(jax.tree.leaves(stored)[0])


def _named(link: Link) -> dict[str, Any]:
    """Names the strengths of a link: ``lam``, ``beta``; ``group_lam`` of the group penalty.

    Groups are no leaves, so a link has the same names before and after it is resolved.
    """
    keyed, _ = jax.tree_util.tree_flatten_with_path(link)
    named = {}
    for path, strength in keyed:
        parts = (jax.tree_util.keystr((key,), simple=True) for key in path)
        named["_".join(part for part in parts if part not in _WRAPPERS)] = strength
    return named


def _is_evaluated(given: Any) -> bool:
    """True if a strength, as its user gave it, is evaluated at every update."""
    return callable(given) or isinstance(given, jax.Array)


def _evaluate(strength: Any, count: Array) -> Array:
    """Converts a number, array or schedule to an array of the default float dtype."""
    return jnp.asarray(strength(count) if callable(strength) else strength, float)
