"""Weights of groups: by a rule, none, or numbers in a tree."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from sgl_jax._util.narrowing import LeafPlan
from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Path
from sgl_jax.groups import GroupFamily, Groups


__all__ = ["WeightRule", "find_weights", "narrow_weights", "to_rule"]


@jax.tree_util.register_static
class WeightRule(str):
    """The name of a rule for the weight of a group: a string that is a pytree without leaves."""


_RULES: dict[str, Callable[[GroupFamily], Any]] = {
    "sqrt_size": lambda family: np.sqrt(family.original_size)
}


def to_rule(name: str) -> WeightRule:
    """Makes the rule of a name.

    Raises:
      ValueError: there is no such rule.
    """
    if name not in _RULES:
        raise ValueError(
            f"Regularizer needs a weight among {', '.join(_RULES)}, None or a tree of numbers, got "
            f"{name!r}."
        )
    return WeightRule(name)


def find_weights(weight: Any, groups: Groups) -> list[Array]:
    """Finds the weight of each family, a scalar or per group.

    Args:
      weight: a rule, ``None`` for 1, or a tree with a number, or one number per group, at the path
        of the first leaf of each family.
      groups: the families.

    Raises:
      ValueError: the tree has no number for a family, or not as many as groups.
    """
    if isinstance(weight, WeightRule):
        found = [_RULES[weight](family) for family in groups]
    else:
        found = [1.0 for _ in groups] if weight is None else _from_tree(weight, groups)
    return [
        jnp.asarray(each, float).reshape(family.shape if jnp.size(each) > 1 else ())
        for family, each in zip(groups, found, strict=True)
    ]


def narrow_weights(weight: Any, groups: Groups, kept: Mapping[Path, LeafPlan]) -> Any:
    """Narrows weights to the groups that are left; a rule stays.

    Args:
      weight: as for :func:`find_weights`.
      groups: the families before they are narrowed.
      kept: for every leaf, by its path, the part that stays.
    """
    if isinstance(weight, WeightRule | None):
        return weight
    weights, rebuild = flatten_by_path(weight)
    for family in groups:
        path = family.members[0].path
        if jnp.size(weights[path]) > 1:
            weights[path] = jnp.ravel(weights[path])[family.find_left(kept)]
    return rebuild(weights)


def _from_tree(tree: Any, groups: Groups) -> list[Array]:
    """Reads the weight of each family off the leaf of its first member."""
    given, _ = flatten_by_path(tree)
    weights = []
    for family in groups:
        path = family.members[0].path
        weight = given.get(path)
        if weight is None or jnp.size(weight) not in (1, family.count):
            found = "none" if weight is None else f"{jnp.size(weight)}"
            raise ValueError(
                f"A tree of weights needs 1 number or {family.count}, one per group, at {path!r}, "
                f"got {found}."
            )
        weights.append(weight)
    return weights
