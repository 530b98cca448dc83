"""A residual network of convolutions in groups (ResNeXt, Xie et al., arXiv 1611.05431)."""

import jax
from flax import nnx

from support.networks._base import Spec, Unit, Widths
from support.networks._values import in_nnx
from support.networks._wiring import flattened_first, unit


SIZE = 2
"""Channels of a group."""


class Block(nnx.Module):
    """A 1x1 convolution, one in groups, a 1x1 convolution, plus the input; each with a norm."""

    def __init__(self, stream: int, groups: int, *, rngs: nnx.Rngs) -> None:
        inner, near = groups * SIZE, {"use_bias": False, "rngs": rngs}
        self.conv1 = nnx.Conv(stream, inner, (1, 1), **near)
        self.bn1 = nnx.BatchNorm(inner, rngs=rngs)
        self.conv2 = nnx.Conv(inner, inner, (3, 3), feature_group_count=groups, **near)
        self.bn2 = nnx.BatchNorm(inner, rngs=rngs)
        self.conv3 = nnx.Conv(inner, stream, (1, 1), **near)
        self.bn3 = nnx.BatchNorm(stream, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        y = nnx.relu(self.bn1(self.conv1(x)))
        y = nnx.relu(self.bn2(self.conv2(y)))
        return nnx.relu(x + self.bn3(self.conv3(y)))


class ResNeXt(nnx.Module):
    """A convolution, blocks, the mean over all pixels, a dense layer.

    Args:
      widths: channels between the blocks, then for each block the groups inside.
    """

    def __init__(self, widths: Widths, *, rngs: nnx.Rngs) -> None:
        stream, *groups = widths
        self.stem = nnx.Conv(3, stream, (3, 3), use_bias=False, rngs=rngs)
        self.bn = nnx.BatchNorm(stream, rngs=rngs)
        self.blocks = nnx.List(Block(stream, count, rngs=rngs) for count in groups)
        self.fc = nnx.Linear(stream, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.relu(self.bn(self.stem(x)))
        for block in self.blocks:
            x = block(x)
        return self.fc(x.mean(axis=(1, 2)))


def units(widths: Widths) -> list[Unit]:
    """Channels between the blocks, and groups, which are dead behind their convolution."""
    names = [f"blocks/{i}" for i in range(len(widths) - 1)]
    stream = unit(
        widths[0],
        writes=["stem", *(f"{name}/conv3" for name in names)],
        bias=False,
        norms=["bn", *(f"{name}/bn3" for name in names)],
        reads=[*(f"{name}/conv1" for name in names), "fc"],
    )
    found = [stream]
    for name, groups in zip(names, widths[1:], strict=True):
        rows = flattened_first(groups, SIZE)
        places = {
            part: [(f"{name}/{layer}", rows)]
            for part, layer in (("writes", "conv2"), ("norms", "bn2"), ("reads", "conv3"))
        }
        before = unit(
            groups, writes=[(f"{name}/conv1", rows)], bias=False, norms=[(f"{name}/bn1", rows)]
        )
        inside = unit(groups, bias=False, **places)
        found.append(
            inside._replace(followers=inside.followers + before.writers + before.followers)
        )
    return found


RESNEXT = {"resnext": Spec(in_nnx(ResNeXt), units, (8, 8, 3), (8, 4, 5))}
