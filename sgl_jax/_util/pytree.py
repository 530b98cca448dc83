"""Immutable pytrees and one normalised name per leaf."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, dataclass_transform

import jax
import numpy as np

from sgl_jax._util.typing import Path


__all__ = [
    "check_arrays",
    "check_real",
    "flatten_by_path",
    "is_key",
    "path_of",
    "pytree_dataclass",
]

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def pytree_dataclass(*, static: tuple[str, ...] = ()) -> Callable[[type[T]], type[T]]:
    """Makes a class a frozen dataclass and a pytree.

    Unlike :func:`jax.tree_util.register_dataclass` it rebuilds an instance without calling
    ``__init__``, so ``__post_init__`` may validate: JAX unflattens with tracers, ``None`` and
    placeholder objects, which no user passed.

    Args:
      static: names of the fields that are metadata (hashable, part of the tree's structure).
    """

    def decorate(cls: type[T]) -> type[T]:
        cls = dataclasses.dataclass(frozen=True)(cls)
        names = [field.name for field in dataclasses.fields(cls)]  # pyrefly: ignore
        dynamic = tuple(name for name in names if name not in static)

        def flatten_with_keys(tree):
            children = tuple(
                (jax.tree_util.GetAttrKey(name), getattr(tree, name)) for name in dynamic
            )
            return children, tuple(getattr(tree, name) for name in static)

        def flatten(tree):
            children, aux = flatten_with_keys(tree)
            return tuple(child for _, child in children), aux

        def unflatten(aux, children):
            tree = object.__new__(cls)
            for name, value in zip(dynamic + static, (*children, *aux), strict=True):
                object.__setattr__(tree, name, value)
            return tree

        jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
        return cls

    return decorate


def path_of(key_path: tuple[Any, ...]) -> Path:
    """Normalises the name of a leaf: ``conv1/kernel``.

    NNX variables put a ``value`` behind the name of the parameter, in some of the trees that
    ``nnx.Optimizer`` passes around and not in others; it is dropped, so that a leaf has one name.
    """
    path = jax.tree_util.keystr(key_path, simple=True, separator="/")
    return path.removesuffix("/value")


def is_key(leaf: Any) -> bool:
    """True if an array, or its shape and dtype, is of keys of random streams, not of numbers."""
    return jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def flatten_by_path(tree: Any) -> tuple[dict[Path, Any], Callable[[dict[Path, Any]], Any]]:
    """Flattens a tree to a dict of leaves by name.

    Returns:
      A dict from path to leaf, in the order of the tree, and a function from such a dict to a
      tree of the same structure.
    """
    keyed, treedef = jax.tree_util.tree_flatten_with_path(tree)
    leaves = {path_of(key_path): leaf for key_path, leaf in keyed}
    if len(leaves) != len(keyed):
        raise ValueError("Every leaf needs a path of its own, got two leaves with one path.")
    return leaves, lambda by_path: jax.tree_util.tree_unflatten(
        treedef, [by_path[path] for path in leaves]
    )


def check_arrays(leaves: Mapping[Path, Any]) -> None:
    """Refuses leaves without a shape and a dtype, such as the functions in a module of Equinox."""
    for path, leaf in leaves.items():
        if not (hasattr(leaf, "shape") and hasattr(leaf, "dtype")):
            raise ValueError(
                f"Parameters need arrays as leaves, got {type(leaf).__name__} at {path!r}: pass "
                "the arrays alone, of an Equinox module eqx.filter(module, eqx.is_inexact_array)."
            )


def check_real(name: str, leaves: Mapping[Path, Any]) -> None:
    """Refuses complex leaves, whose magnitude is the norm of two real numbers."""
    for path, leaf in leaves.items():
        if jax.dtypes.issubdtype(leaf.dtype, np.complexfloating):
            raise ValueError(
                f"{name} needs real leaves to group, got {leaf.dtype} at {path!r}: keep real and "
                "imaginary parts along an axis of their own, or leave it out with skip=."
            )
