"""Groupings: rules that find the groups of a tree of parameters.

A grouping is a frozen, hashable value with ``resolve(params) -> Groups``; an optimizer link runs it
once, in ``init``. It is not callable, because ``optax.inject_hyperparams`` takes every callable
argument for a schedule.
"""

import dataclasses
import re
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import jax
import jax.numpy as jnp

from sgl_jax._util.pytree import check_arrays, check_real, flatten_by_path
from sgl_jax._util.typing import Axes, Params, Path
from sgl_jax.groups._family import GroupFamily
from sgl_jax.groups._groups import Groups
from sgl_jax.groups._member import Member


__all__ = [
    "KERNELS",
    "LAYOUTS",
    "Grouping",
    "GroupingLike",
    "Kernels",
    "Layout",
    "Role",
    "resolved_groups",
    "resolved_paths",
]

Layout: TypeAlias = Literal["HWIO", "OIHW"]
Kernels: TypeAlias = Literal["all", "conv", "dense"]
Role: TypeAlias = Literal["in", "out"]

LAYOUTS = ("HWIO", "OIHW")
KERNELS = ("all", "conv", "dense")


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Grouping:
    """A rule that finds groups; made by the ``by_...`` functions.

    Attributes:
      name: the name of the function that made it, for messages.
      dense: the axis that a group of a dense kernel does not span, ``"in"`` or ``"out"``; ``None``
        for the rules that take any leaf, or to leave dense kernels alone.
      conv: the same for the kernel of a convolution.
      span: ``"entry"``, ``"leaf"`` or ``"tree"`` for the rules that take any leaf: all that one
        group spans; ``"fibre"`` if a group spans the axis of ``dense`` or ``conv`` alone.
      layout: ``"HWIO"``, dense kernels (in, out): NNX, Linen, Haiku; or ``"OIHW"``, dense kernels
        (out, in): Equinox.
      only: take leaves whose path this regular expression finds (``re.search``).
      skip: leave out leaves whose path this regular expression finds.
    """

    name: str
    dense: Role | None = None
    conv: Role | None = None
    span: Literal["entry", "leaf", "tree", "fibre"] | None = None
    layout: Layout = "HWIO"
    only: str | None = None
    skip: str | None = None

    def __post_init__(self):
        if self.layout not in LAYOUTS:
            raise ValueError(
                f"{self.name} needs a layout among {', '.join(LAYOUTS)}, got {self.layout!r}."
            )

    def resolve(self, params: Params) -> Groups:
        """Finds the groups of a tree of parameters (arrays, or anything with a shape and dtype).

        Raises:
          ValueError: no leaf matches, the layout of one that does cannot be decided, one is
            complex, or a leaf is no array.
        """
        leaves, _ = flatten_by_path(params)
        check_arrays(leaves)
        members = [
            Member(path, tuple(leaf.shape), axes)
            for path, leaf in leaves.items()
            if self._selects(path, leaf) and (axes := self._axes(path, leaf.shape)) is not None
        ]
        check_real(self.name, {member.path: leaves[member.path] for member in members})
        if not members:
            raise ValueError(
                f"{self.name} needs a floating-point leaf to group (only={self.only!r}, "
                f"skip={self.skip!r}), got none among {', '.join(leaves) or 'no leaves'}."
            )
        if self.span == "tree":
            whole = [dataclasses.replace(m, index=(0,) * m.positions) for m in members]
            return Groups((GroupFamily(tuple(whole)),))
        return Groups(tuple(GroupFamily((member,)) for member in members))

    def _selects(self, path: Path, leaf: Any) -> bool:
        if not jnp.issubdtype(leaf.dtype, jnp.inexact):
            return False
        wanted = self.only is None or re.search(self.only, path)
        return bool(wanted) and not (self.skip and re.search(self.skip, path))

    def _axes(self, path: Path, shape: tuple[int, ...]) -> Axes | None:
        """The axes that one group of a leaf spans; ``None`` to leave the leaf alone."""
        ndim = len(shape)
        if self.span in ("entry", "leaf", "tree"):
            return () if self.span == "entry" else tuple(range(ndim))
        if ndim < 2 or _is_bias(path, shape):
            return None
        if ndim not in (2, 4, 5) and self.only is None:
            raise ValueError(
                f"{self.name} needs kernels with 2 axes (dense), 4 or 5 (convolution), got "
                f"{path!r} with {ndim}: take channel_groups, which reads the groups from the "
                "network, name the leaves to take for convolutions with only=, or leave it out "
                "with skip=."
            )
        role = self.dense if ndim == 2 else self.conv
        if role is None:
            return None
        kept = self._axis_of(role, ndim)
        if self.span == "fibre":
            return (kept,)
        return tuple(axis for axis in range(ndim) if axis != kept)

    def _axis_of(self, role: Role, ndim: int) -> int:
        if self.layout == "OIHW":
            return 0 if role == "out" else 1
        return ndim - 1 if role == "out" else ndim - 2


def _is_bias(path: Path, shape: tuple[int, ...]) -> bool:
    """True for a leaf called bias, of any shape, and for a vector called b, with axes of size 1."""
    name = path.rpartition("/")[2]
    return name == "bias" or (name == "b" and sum(size > 1 for size in shape) < 2)


@runtime_checkable
class GroupingLike(Protocol):
    """A frozen, hashable value, a static pytree, that resolves to groups.

    It is a :class:`Grouping`, resolved :class:`~sgl_jax.Groups`, or the channels of a network,
    :class:`~sgl_jax.ChannelGroups`.
    """

    def resolve(self, params: Params, /) -> Groups:
        """Finds the groups of a tree of parameters."""
        ...


def resolved_groups(grouping: GroupingLike | None) -> Groups:
    """Returns the groups of a grouping that is resolved.

    Raises:
      ValueError: the grouping is a rule that has not seen the parameters yet.
    """
    if not isinstance(grouping, Groups):
        raise ValueError(
            f"Groups by path need a resolved grouping, got {grouping}; call resolved(params) first."
        )
    return grouping


def resolved_paths(*groupings: GroupingLike | None) -> frozenset[Path]:
    """Returns the names of the leaves of groupings that are resolved."""
    return frozenset[Path]().union(*(resolved_groups(each).paths for each in groupings))
