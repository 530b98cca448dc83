"""Immutable values that are pytrees, checked where a user makes one; and a choice of two trees."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool


__all__ = ["choose", "value_tree"]

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def value_tree(
    *, static: tuple[str, ...] = (), kw_only: bool = True
) -> Callable[[type[T]], type[T]]:
    """Makes a class a frozen dataclass and a pytree that is rebuilt without its checks.

    JAX rebuilds trees with tracers and placeholders in the place of arrays, which no user passed.

    Args:
      static: names of the fields that are part of the structure.
      kw_only: if fields are given by name alone.
    """

    def decorate(cls: type[T]) -> type[T]:
        cls = dataclasses.dataclass(frozen=True, kw_only=kw_only, eq=False)(cls)
        names = [field.name for field in dataclasses.fields(cls)]  # pyrefly: ignore
        dynamic = [name for name in names if name not in static]

        def flatten(tree: Any) -> tuple[list[tuple[Any, Any]], tuple[Any, ...]]:
            leaves = [(jax.tree_util.GetAttrKey(name), getattr(tree, name)) for name in dynamic]
            return leaves, tuple(getattr(tree, name) for name in static)

        def rebuild(aux: tuple[Any, ...], leaves: Any) -> Any:
            tree = object.__new__(cls)
            for name, value in zip([*dynamic, *static], [*leaves, *aux], strict=True):
                object.__setattr__(tree, name, value)
            return tree

        jax.tree_util.register_pytree_with_keys(cls, flatten, rebuild)
        return cls

    return decorate


def choose(flag: Bool[Array, ""], new: T, old: T) -> T:
    """Takes one of two trees."""
    return jax.tree.map(lambda a, b: jnp.where(flag, a, b), new, old)
