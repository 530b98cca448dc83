"""Residual networks for CIFAR, with both kinds of shortcuts (He et al., arXiv 1512.03385)."""

import functools
import itertools

import jax
import jax.numpy as jnp
from flax import nnx

from support.networks._base import Spec, Unit, Widths
from support.networks._values import in_nnx
from support.networks._wiring import unit


class Block(nnx.Module):
    """Conv-BN-ReLU, conv-BN, plus the shortcut, ReLU.

    Args:
      inputs, inner, outputs: numbers of channels.
      stride: of the first convolution.
      projection: whether the shortcut is a 1x1 convolution with batch norm; otherwise it takes
        every ``stride``-th pixel.
      pads: channels of zeros that such a shortcut gets, below and above its own.
    """

    def __init__(
        self, inputs, inner, outputs, *, stride=1, projection=False, pads=(0, 0), rngs
    ) -> None:
        options = {"use_bias": False, "rngs": rngs}
        self.conv1 = nnx.Conv(inputs, inner, (3, 3), stride, **options)
        self.bn1 = nnx.BatchNorm(inner, rngs=rngs)
        self.conv2 = nnx.Conv(inner, outputs, (3, 3), **options)
        self.bn2 = nnx.BatchNorm(outputs, rngs=rngs)
        self.stride, self.pads, self.projection = stride, pads, projection
        if projection:
            self.project = nnx.Conv(inputs, outputs, (1, 1), stride, **options)
            self.bn3 = nnx.BatchNorm(outputs, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        y = self.bn2(self.conv2(nnx.relu(self.bn1(self.conv1(x)))))
        return nnx.relu(y + self.shortcut(x))

    def shortcut(self, x: jax.Array) -> jax.Array:
        if self.projection:
            return self.bn3(self.project(x))
        if self.stride == 1:
            return x
        x = x[:, :: self.stride, :: self.stride]
        return jnp.pad(x, ((0, 0), (0, 0), (0, 0), self.pads))


def resnet_widths(depth: int, shortcut: str = "projection", base: int = 16) -> Widths:
    """The published widths."""
    inner = [base * 2**stage for stage in range(3) for _ in range(blocks(depth))]
    if shortcut == "projection":
        return (base, 2 * base, 4 * base, *inner)
    return (base, base // 2, base // 2, base, base, *inner)


def blocks(depth: int) -> int:
    """Blocks of each stage."""
    if (depth - 2) % 6:
        raise ValueError(f"ResNet needs a depth of 6n + 2, got {depth}.")
    return (depth - 2) // 6


class ResNet(nnx.Module):
    """Three stages of basic blocks between a convolution and the mean over all pixels.

    Args:
      depth: 6n + 2 for n blocks in each stage.
      widths: for projections the channels of the three stages; for identities (option A) those of
        the first stage and the pads below and above of the second and of the third, so that a
        stage is as wide as the one before and its pads. Then those inside of each block.
      shortcut: ``"projection"`` or ``"identity"``, where a stage begins.
    """

    def __init__(
        self, depth: int, widths: Widths | None = None, shortcut: str = "projection", *, rngs
    ) -> None:
        widths = resnet_widths(depth, shortcut) if widths is None else widths
        stages, pads, inner = unpacked(widths, shortcut)
        self.stem = nnx.Conv(3, stages[0], (3, 3), use_bias=False, rngs=rngs)
        self.bn = nnx.BatchNorm(stages[0], rngs=rngs)
        self.blocks, inputs = nnx.List(), stages[0]
        for i, width in enumerate(inner):
            stage, later = divmod(i, blocks(depth))
            begins = stage > 0 and not later
            kind = {"stride": 1 + begins, "projection": begins and shortcut == "projection"}
            kind["pads"] = pads[stage] if begins else (0, 0)
            self.blocks.append(Block(inputs, width, stages[stage], **kind, rngs=rngs))
            inputs = stages[stage]
        self.fc = nnx.Linear(inputs, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.relu(self.bn(self.stem(x)))
        for block in self.blocks:
            x = block(x)
        return self.fc(x.mean(axis=(1, 2)))


def unpacked(widths: Widths, shortcut: str):
    """Channels of the stages, pads that they begin with, channels inside of the blocks."""
    if shortcut == "projection":
        return widths[:3], [(0, 0)] * 3, widths[3:]
    base, *around = widths[:5]
    pads = [(0, 0), tuple(around[:2]), tuple(around[2:])]
    return (base, base + sum(around[:2]), base + sum(around)), pads, widths[5:]


def stage_layers(depth: int, stage: int, shortcut: str, offset: int = 0):
    """The layers that write, normalise and read the channels between the blocks of a stage."""
    first, end = stage * blocks(depth), (stage + 1) * blocks(depth)
    writes = [f"blocks/{i}/conv2" for i in range(first, end)]
    norms = [f"blocks/{i}/bn2" for i in range(first, end)]
    reads = [f"blocks/{i}/conv1" for i in range(first + (stage > 0), end + (stage < 2))]
    if stage == 0:
        writes, norms = [*writes, "stem"], [*norms, "bn"]
    elif shortcut == "projection":
        writes, norms = [*writes, f"blocks/{first}/project"], [*norms, f"blocks/{first}/bn3"]
    if stage == 2:
        reads = [*reads, "fc"]
    elif shortcut == "projection":
        reads = [*reads, f"blocks/{end}/project"]
    return tuple([(name, offset) for name in names] for names in (writes, norms, reads))


def stage_offsets(widths: Widths, shortcut: str) -> list[dict[int, int]]:
    """The stages that each width is in, with the channel at which it begins there."""
    if shortcut == "projection":
        return [{0: 0}, {1: 0}, {2: 0}]
    base, below1, above1, below2, _ = widths[:5]
    return [
        {0: 0, 1: below1, 2: below2 + below1},
        {1: 0, 2: below2},
        {1: below1 + base, 2: below2 + below1 + base},
        {2: 0},
        {2: below2 + below1 + base + above1},
    ]


def resnet_units(depth: int, shortcut: str, widths: Widths) -> list[Unit]:
    """The units between the blocks, then those inside of the blocks."""
    units = []
    for width, offsets in zip(widths, stage_offsets(widths, shortcut), strict=False):
        stages = [stage_layers(depth, stage, shortcut, at) for stage, at in offsets.items()]
        writes, norms, reads = (
            list(itertools.chain(*layers)) for layers in zip(*stages, strict=True)
        )
        units.append(unit(width, writes=writes, bias=False, norms=norms, reads=reads))
    for i, width in enumerate(widths[len(units) :]):
        block = f"blocks/{i}"
        inside = {"writes": [f"{block}/conv1"], "norms": [f"{block}/bn1"]}
        units.append(unit(width, **inside, bias=False, reads=[f"{block}/conv2"]))
    return units


OPTION_A = (
    "A stage's channels are those of the stage before, between two pads. So a width counts "
    "channels that die in every stage that has them: the first stage's in all three, the pads' "
    "of the second in two. A channel that is dead in the first stage only, or in the second only, "
    "is none of these, and the network without it no instance."
)


def resnet(depth: int, shortcut: str, small: Widths) -> Spec:
    stages = small[: 3 if shortcut == "projection" else 5]
    inner = [4 + i % 3 for i in range(3 * blocks(depth))]
    return Spec(
        in_nnx(functools.partial(ResNet, depth, shortcut=shortcut)),
        functools.partial(resnet_units, depth, shortcut),
        (16, 16, 3),
        (*stages, *inner),
        resnet_widths(depth, shortcut),
        (32, 32, 3),
        OPTION_A if shortcut == "identity" else "",
    )


RESNETS = {
    f"resnet{depth}_{shortcut}": resnet(depth, shortcut, small)
    for depth in (20, 56)
    for shortcut, small in {"projection": (6, 8, 10), "identity": (6, 2, 3, 4, 3)}.items()
}
