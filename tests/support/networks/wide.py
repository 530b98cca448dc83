"""Wide residual networks with pre-activation (Zagoruyko and Komodakis, arXiv 1605.07146)."""

import functools

from sgl_jax.models import WideResNet
from support.networks._base import Spec, Unit, Widths
from support.networks._values import in_nnx
from support.networks._wiring import unit


def blocks(depth: int) -> int:
    """Blocks of each stage."""
    if (depth - 4) % 6:
        raise ValueError(f"WideResNet needs a depth of 6n + 4, got {depth}.")
    return (depth - 4) // 6


def wide_widths(depth: int, widen: int) -> Widths:
    """The published widths."""
    stages = tuple(16 * widen * 2**stage for stage in range(3))
    return (16, *stages, *(width for width in stages for _ in range(blocks(depth))))


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
        in_nnx(functools.partial(WideResNet, depth=depth, widen=widen)),
        functools.partial(wide_units, depth),
        (16, 16, 3),
        (5, 6, 8, 10, *inner),
        wide_widths(depth, widen),
        (32, 32, 3),
    )


WIDE = {"wrn10_2": wide(10, 2), "wrn28_10": wide(28, 10)}
