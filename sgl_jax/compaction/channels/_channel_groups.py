"""A grouping by the channels of a network."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sgl_jax._util.narrowing import LeafPlan
from sgl_jax._util.pytree import flatten_by_path
from sgl_jax._util.subtrees import subtrees_of
from sgl_jax._util.typing import Params, Path
from sgl_jax.compaction.channels._channels import Channels
from sgl_jax.groups import GroupFamily, Groups


__all__ = ["ChannelGroups"]


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class ChannelGroups:
    """The channels of a network, and a grouping: the weights to set to zero for each to go.

    One group is all that makes one channel: its filters, biases, and scales and shifts of norms.
    Channels that cannot be removed are in no group, nor are leaves that hold some of them. Print it
    to see what ties channels, and why some stay; :func:`mermaid` draws it.

    It is resolved on the tree that it was made of, or on a subtree: groups of ``(params, rest)``
    resolved on ``params`` are those of the leaves in ``params``.

    Attributes:
      channels: all channels, those of the same leaves together.
      groups: the groups, a family for each of the channels that can be removed.
      unknown: operations without a rule, which keep whole what they read.
      flops: for every family and group the FLOPs that go with the channel.
    """

    channels: tuple[Channels, ...]
    groups: Groups
    unknown: tuple[str, ...]
    flops: tuple[tuple[float, ...], ...]

    def resolve(self, params: Params) -> Groups:
        """The groups of the leaves of a tree, by their paths in it.

        Args:
          params: the tree that the groups were made of, or a subtree.

        Raises:
          ValueError: it is neither, or might be any of several subtrees.
        """
        return Groups(tuple(family for family, _ in self._within(self._subtree(params))))

    def flops_weights(self, params: Params | None = None) -> dict[Path, jax.Array]:
        r"""Weighs every group by the FLOPs that its removal saves, for ``Regularizer(weight=...)``.

        .. math:: \text{weight}_g = F_g \, \frac{\sum_h \sqrt{|h|}}{\sum_h F_h}

        so that all weights together are those of ``"sqrt_size"``. :math:`F_g` are the FLOPs of the
        convolutions and products that make or read the channel, with all other channels in place.

        Args:
          params: the subtree to resolve the groups on, as in :meth:`resolve`; by default the whole
            tree that they were made of.

        Raises:
          ValueError: ``params`` is no such subtree, or FLOPs cannot be counted, since some are in a
            ``while`` loop or in a branch.
        """
        prefix = "" if params is None else self._subtree(params)
        pairs = list(self._within(prefix))
        sizes = [np.broadcast_to(np.asarray(family.size), family.count) for family, _ in pairs]
        total = sum(float(np.sqrt(size).sum()) for size in sizes)
        spent = sum(sum(flops) for _, flops in pairs)
        if not spent:
            raise ValueError(
                "flops_weights needs products whose FLOPs can be counted, got none, or some in a "
                "while loop or in a branch; leave the weights at those of the sizes."
            )
        rate = total / spent
        return {f.members[0].path: rate * jnp.asarray(flops, float) for f, flops in pairs}

    def __str__(self) -> str:
        unknown = [f"not understood, keeps whole what it reads: {item}" for item in self.unknown]
        return "\n".join([*map(str, self.channels), *unknown])

    def _subtree(self, params: Params) -> Path:
        """The path of a tree in the tree that the groups were made of, told by its shapes."""
        leaves, _ = flatten_by_path(params)
        members = [member for family in self.groups for member in family.members]
        expected = subtrees_of({member.path: member.shape for member in members})
        prefixes = sorted(expected)
        misfits = {
            prefix: [path for path, shape in shapes.items() if _shape(leaves, path) != shape]
            for prefix, shapes in expected.items()
        }
        fitting = [prefix for prefix in prefixes if not misfits[prefix]]
        most = max((len(expected[prefix]) for prefix in fitting), default=0)
        largest = [prefix for prefix in fitting if len(expected[prefix]) == most]
        if len(largest) == 1:
            return largest[0]
        if largest:
            raise ValueError(
                f"Channel groups need a subtree that differs from all others, got one like "
                f"{' and '.join(largest)}; resolve them on a larger one."
            )
        closest = max(prefixes, key=lambda prefix: len(expected[prefix]) - len(misfits[prefix]))
        path = misfits[closest][0]
        raise ValueError(
            f"These channel groups need a leaf {path!r} of shape {expected[closest][path]}, got "
            f"{_shape(leaves, path) or 'no leaf'}; resolve them on the tree that they were made "
            "of, or on a subtree."
        )

    def _within(self, prefix: Path) -> Iterator[tuple[GroupFamily, tuple[float, ...]]]:
        """The families of a subtree, by paths in it, and the FLOPs of their groups."""
        for family, flops in zip(self.groups, self.flops, strict=True):
            members = [
                dataclasses.replace(member, path=path)
                for member in family.members
                if (path := _inside(prefix, member.path)) is not None
            ]
            if members:
                left = np.unique(np.concatenate([member.owners.ravel() for member in members]))
                whole = [member.narrowed(LeafPlan.whole(member.shape), left) for member in members]
                yield GroupFamily(tuple(whole)), tuple(flops[k] for k in left.tolist())


def _inside(prefix: Path, path: Path) -> Path | None:
    """The path of a leaf in the subtree at ``prefix``; ``None`` if it is elsewhere."""
    start = f"{prefix}/" if prefix else ""
    return path.removeprefix(start) if path.startswith(start) else None


def _shape(leaves: dict[Path, Any], path: Path) -> tuple[int, ...] | None:
    return jnp.shape(leaves[path]) if path in leaves else None
