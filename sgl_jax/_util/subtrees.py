"""The subtrees of a tree whose leaves are known by path."""

from collections.abc import Mapping
from typing import TypeVar

from sgl_jax._util.typing import Path


__all__ = ["subtrees_of"]

T = TypeVar("T")


def subtrees_of(leaves: Mapping[Path, T]) -> dict[Path, dict[Path, T]]:
    """Lists the subtrees of a tree: the tree itself, ``""``, and every container in it.

    Args:
      leaves: the leaves of the tree by path.

    Returns:
      For every subtree, by its path, its leaves by their paths in it.
    """
    found: dict[Path, dict[Path, T]] = {"": dict(leaves)}
    for path, leaf in leaves.items():
        keys = path.split("/")
        for k in range(1, len(keys)):
            found.setdefault("/".join(keys[:k]), {})["/".join(keys[k:])] = leaf
    return found
