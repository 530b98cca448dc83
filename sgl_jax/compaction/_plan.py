"""The positions that stay of every leaf, enough to narrow any tree like the parameters."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from sgl_jax._util.narrowing import LeafPlan
from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.typing import Params, Path


__all__ = ["Plan", "shape_of"]


@dataclasses.dataclass(frozen=True)
class Plan:
    """The positions that stay of every leaf of a tree of parameters.

    Attributes:
      leaves: pairs of the path of a leaf and of the positions that stay of it.
    """

    leaves: tuple[tuple[Path, LeafPlan], ...]

    @functools.cached_property
    def paths(self) -> frozenset[Path]:
        """Names of the leaves."""
        return frozenset(path for path, _ in self.leaves)

    def to_json(self) -> dict[Path, dict[str, Any]]:
        """Converts the plan to JSON's own types."""
        return {path: leaf.to_json() for path, leaf in self.leaves}

    @classmethod
    def from_json(cls, found: Mapping[Path, Mapping[str, Any]]) -> "Plan":
        """Inverts :meth:`to_json`; keys that are no attribute of a leaf are left out.

        Raises:
          ValueError: positions that are no ascending ones of their axis, or are in no order of it.
        """
        parts = ((leaf["shape"], leaf["kept"], leaf.get("orders", ())) for leaf in found.values())
        return cls(tuple(zip(found, (LeafPlan.from_json(*part) for part in parts), strict=True)))

    def check(self, params: Params, narrow: bool) -> dict[Path, Any]:
        """The leaves of a tree by path, after a look at their shapes.

        Args:
          params: a tree like the parameters.
          narrow: expect narrow leaves, not full ones.

        Raises:
          ValueError: a leaf is missing, is one too many, or has another shape.
        """
        leaves, _ = flatten_by_path(params)
        plan = dict(self.leaves)
        if set(leaves) != set(plan):
            odd = sorted(set(leaves) ^ set(plan))
            raise ValueError(
                f"This network needs the leaves {', '.join(plan)}, got a tree in which these are "
                f"missing or too many: {', '.join(odd)}."
            )
        for path, leaf in leaves.items():
            _check_shape(path, leaf, plan[path].narrow_shape if narrow else plan[path].shape)
        return leaves

    def narrow(self, params: Params) -> Params:
        """Narrows a tree of the full shapes."""
        self.check(params, narrow=False)
        return self.narrow_leaves(params)

    def narrow_leaves(self, tree: Any) -> Any:
        """Narrows a tree of some of the leaves; single numbers stay as they are.

        Raises:
          ValueError: a leaf has another shape.
        """
        plan = dict(self.leaves)
        leaves, rebuild = flatten_by_path(tree)
        for path, leaf in leaves.items():
            if np.ndim(leaf):
                _check_shape(path, leaf, plan[path].shape)
                leaves[path] = plan[path].take(leaf)
        return rebuild(leaves)

    def widen(self, tree: Any) -> Any:
        """Inverts :meth:`narrow_leaves`, with zeros in the positions that were removed."""
        plan = dict(self.leaves)
        leaves, rebuild = flatten_by_path(tree)
        for path, leaf in leaves.items():
            if plan[path].removed or plan[path].orders:
                leaves[path] = plan[path].put(leaf)
        return rebuild(leaves)

    def then(self, further: "Plan") -> "Plan":
        """Joins two plans, of which the second narrows what the first has left.

        Args:
          further: a plan of the narrow leaves.
        """
        second = dict(further.leaves)
        return Plan(tuple((path, leaf.then(second[path])) for path, leaf in self.leaves))

    def full(self, params: Params) -> Params:
        """The shapes of the full tree, with the dtypes of a narrow one."""
        self.check(params, narrow=True)
        plan = dict(self.leaves)
        leaves, rebuild = flatten_by_path(params)
        return rebuild({path: shape_of(leaf, plan[path].shape) for path, leaf in leaves.items()})


def _check_shape(path: Path, leaf: Any, shape: tuple[int, ...]) -> None:
    if np.shape(leaf) != shape:
        raise ValueError(
            f"This network needs a leaf {path!r} of shape {shape}, got {np.shape(leaf)}."
        )


def shape_of(x: Any, shape: tuple[int, ...] | None = None) -> jax.ShapeDtypeStruct:
    """Shape and type of an array, without its numbers; with another shape, if given."""
    aval = jax.typeof(x)
    shape = aval.shape if shape is None else shape
    return jax.ShapeDtypeStruct(shape, aval.dtype, weak_type=aval.weak_type)
