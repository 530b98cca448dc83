"""Residual networks for CIFAR, with both kinds of shortcuts (He et al., arXiv 1512.03385)."""

import functools
import itertools

import numpy as np

from sgl_jax.models import ResNet
from support.networks._base import Entry, Spec, Unit, Widths
from support.networks._values import in_nnx
from support.networks._wiring import unit


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


def stage_layers(depth: int, stage: int, shortcut: str, offset: int = 0):
    """The layers that write, normalise and read the channels between the blocks of a stage."""
    first, end = stage * blocks(depth), (stage + 1) * blocks(depth)
    writes = [f"blocks/{i}/conv2" for i in range(first, end)]
    norms = [f"blocks/{i}/bn2" for i in range(first, end)]
    reads = [f"blocks/{i}/conv1" for i in range(first + (stage > 0), end + (stage < 2))]
    if stage == 0:
        writes, norms = [*writes, "stem"], [*norms, "bn"]
    elif shortcut == "projection":
        writes, norms = (
            [*writes, f"blocks/{first}/shortcut/conv"],
            [*norms, f"blocks/{first}/shortcut/bn"],
        )
    if stage == 2:
        reads = [*reads, "fc"]
    elif shortcut == "projection":
        reads = [*reads, f"blocks/{end}/shortcut/conv"]
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


def zeros_of(depth: int, number: int, width: int) -> tuple[Entry, ...]:
    """The zeros of a shortcut that one of the widths counts; none for the first."""
    if not number:
        return ()
    stage, side = 1 + (number - 1) // 2, ("below", "above")[(number - 1) % 2]
    path = f"1/blocks/{stage * blocks(depth)}/shortcut/{side}"
    return (Entry(path, 0, np.arange(width)[:, None]),)


def resnet_units(depth: int, shortcut: str, widths: Widths) -> list[Unit]:
    """The units between the blocks, then those inside of the blocks."""
    units = []
    for width, offsets in zip(widths, stage_offsets(widths, shortcut), strict=False):
        stages = [stage_layers(depth, stage, shortcut, at) for stage, at in offsets.items()]
        writes, norms, reads = (
            list(itertools.chain(*layers)) for layers in zip(*stages, strict=True)
        )
        found = unit(width, writes=writes, bias=False, norms=norms, reads=reads)
        zeros = zeros_of(depth, len(units), width) if shortcut == "identity" else ()
        units.append(found._replace(followers=found.followers + zeros))
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
        in_nnx(functools.partial(ResNet, depth=depth, shortcut=shortcut)),
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
