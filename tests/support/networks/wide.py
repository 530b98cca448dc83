"""Wide residual networks with pre-activation (Zagoruyko and Komodakis, arXiv 1605.07146)."""

import functools

import jax
from flax import nnx

from support.networks._base import Spec, Unit, Widths
from support.networks._values import in_nnx
from support.networks._wiring import unit


class Block(nnx.Module):
    """BN-ReLU-conv twice, plus the input, or plus a 1x1 convolution of the activated input."""

    def __init__(self, inputs, inner, outputs, *, stride=1, projection=False, rngs) -> None:
        options = {"use_bias": False, "rngs": rngs}
        self.bn1 = nnx.BatchNorm(inputs, rngs=rngs)
        self.conv1 = nnx.Conv(inputs, inner, (3, 3), stride, **options)
        self.bn2 = nnx.BatchNorm(inner, rngs=rngs)
        self.conv2 = nnx.Conv(inner, outputs, (3, 3), **options)
        self.projection = projection
        if projection:
            self.project = nnx.Conv(inputs, outputs, (1, 1), stride, **options)

    def __call__(self, x: jax.Array) -> jax.Array:
        active = nnx.relu(self.bn1(x))
        y = self.conv2(nnx.relu(self.bn2(self.conv1(active))))
        return y + (self.project(active) if self.projection else x)


def blocks(depth: int) -> int:
    """Blocks of each stage."""
    if (depth - 4) % 6:
        raise ValueError(f"WideResNet needs a depth of 6n + 4, got {depth}.")
    return (depth - 4) // 6


def wide_widths(depth: int, widen: int) -> Widths:
    """The published widths."""
    stages = tuple(16 * widen * 2**stage for stage in range(3))
    return (16, *stages, *(width for width in stages for _ in range(blocks(depth))))


class WideResNet(nnx.Module):
    """Three stages of blocks, each beginning with a projection; batch norm before the mean.

    Args:
      depth: 6n + 4 for n blocks in each stage.
      widen: factor of the published widths.
      widths: in their place, the channels of the first convolution, of the three stages, and those
        inside of each block.
    """

    def __init__(
        self, depth: int = 28, widen: int = 10, widths: Widths | None = None, *, rngs: nnx.Rngs
    ) -> None:
        widths = wide_widths(depth, widen) if widths is None else widths
        stages, inputs = widths[1:4], widths[0]
        self.stem = nnx.Conv(3, inputs, (3, 3), use_bias=False, rngs=rngs)
        self.blocks = nnx.List()
        for i, width in enumerate(widths[4:]):
            stage, later = divmod(i, blocks(depth))
            kind = {"stride": 1 if later or not stage else 2, "projection": not later}
            self.blocks.append(Block(inputs, width, stages[stage], **kind, rngs=rngs))
            inputs = stages[stage]
        self.bn = nnx.BatchNorm(inputs, rngs=rngs)
        self.fc = nnx.Linear(inputs, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.fc(nnx.relu(self.bn(x)).mean(axis=(1, 2)))


def wide_units(depth: int, widths: Widths) -> list[Unit]:
    """The first convolution's, the stages', those inside of the blocks.

    A norm that reads a stage's channels is among the writers, as its shift makes them live again.
    """
    units = [_stem(widths[0])]
    units += [_stage(depth, stage, width) for stage, width in enumerate(widths[1:4])]
    for i, width in enumerate(widths[4:]):
        first, second = f"blocks/{i}/conv1", f"blocks/{i}/conv2"
        norms = [f"blocks/{i}/bn2"]
        units.append(unit(width, writes=[first], bias=False, norms=norms, reads=[second]))
    return units


def _stem(width: int) -> Unit:
    reads = ["blocks/0/conv1", "blocks/0/project"]
    return unit(width, writes=["stem"], bias=False, norms=["blocks/0/bn1"], reads=reads)


def _stage(depth: int, stage: int, width: int) -> Unit:
    first, end = stage * blocks(depth), (stage + 1) * blocks(depth)
    writes = [f"blocks/{first}/project", *(f"blocks/{i}/conv2" for i in range(first, end))]
    norms = [f"blocks/{i}/bn1" for i in range(first + 1, end + (stage < 2))]
    reads = [f"blocks/{i}/conv1" for i in range(first + 1, end + (stage < 2))]
    reads.append("fc" if stage == 2 else f"blocks/{end}/project")
    if stage == 2:
        norms.append("bn")
    return unit(width, writes=writes, bias=False, norms=norms, reads=reads)


def wide(depth: int, widen: int) -> Spec:
    inner = (4 + i % 3 for i in range(3 * blocks(depth)))
    return Spec(
        in_nnx(functools.partial(WideResNet, depth, widen)),
        functools.partial(wide_units, depth),
        (16, 16, 3),
        (5, 6, 8, 10, *inner),
        wide_widths(depth, widen),
        (32, 32, 3),
    )


WIDE = {"wrn10_1": wide(10, 1), "wrn28_10": wide(28, 10)}
