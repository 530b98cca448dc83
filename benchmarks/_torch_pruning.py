"""Seconds in which Torch-Pruning builds its graph of a network and prunes half of every group.

The networks are those of `tests/support/networks`, layer by layer, in PyTorch: ResNet-56 with
projections as shortcuts (Torch-Pruning does not follow the padded channels of the paper's other
kind), and WRN-28-10. It imports nothing of JAX, so it runs in an environment of its own, too.

    python benchmarks/_torch_pruning.py NETWORK [ROUNDS]

prints the seconds of the first round and the medians of the later ones as JSON.
"""

import functools
import json
import sys
import time

from _rounds import summarize
from torch import Tensor, nn, ones, randperm


__all__ = ["NETWORKS"]


def build_conv(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)


class Block(nn.Module):
    """Conv-BN-ReLU, conv-BN, plus the shortcut, ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int, first: bool) -> None:
        super().__init__()
        self.conv1, self.bn1 = build_conv(inputs, outputs, stride=stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = build_conv(outputs, outputs), nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1:
            projection = build_conv(inputs, outputs, 1, stride)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return (y + self.shortcut(x)).relu()


class WideBlock(nn.Module):
    """BN-ReLU-conv twice, plus the input, or plus a projection of the activated input."""

    def __init__(self, inputs: int, outputs: int, stride: int, first: bool) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), build_conv(inputs, outputs, stride=stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(outputs), build_conv(outputs, outputs)
        self.project = build_conv(inputs, outputs, 1, stride) if first else None

    def forward(self, x: Tensor) -> Tensor:
        active = self.bn1(x).relu()
        y = self.conv2(self.bn2(self.conv1(active)).relu())
        return y + (x if self.project is None else self.project(active))


class Network(nn.Module):
    """Three stages of blocks between a convolution and a mean over all pixels.

    Args:
      block: kind of the blocks.
      blocks: of each stage.
      widen: factor of the stages' 16, 32 and 64 channels.
    """

    def __init__(self, block: type[nn.Module], blocks: int, widen: int) -> None:
        super().__init__()
        self.wide = block is WideBlock
        self.stem, inputs, layers = build_conv(3, 16), 16, []
        for stage in range(3):
            for number in range(blocks):
                outputs, first = 16 * widen * 2**stage, number == 0
                layers.append(block(inputs, outputs, 2 if first and stage else 1, first))
                inputs = outputs
        self.blocks, self.bn = nn.Sequential(*layers), nn.BatchNorm2d(inputs if self.wide else 16)
        self.fc = nn.Linear(inputs, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.bn(self.blocks(x)).relu() if self.wide else self.blocks(self.bn(x).relu())
        return self.fc(x.mean((2, 3)))


NETWORKS = {
    "resnet56_projection": functools.partial(Network, Block, 9, 1),
    "wrn28_10": functools.partial(Network, WideBlock, 4, 10),
}


def time_pruning(model: nn.Module) -> dict[str, float]:
    """Times building the graph and pruning half of every group, drawn at random."""
    import torch_pruning as tp

    began = time.perf_counter()
    graph = tp.DependencyGraph().build_dependency(model, ones(1, 3, 32, 32))
    built = time.perf_counter()
    kinds = [nn.Conv2d, nn.Linear]
    for group in graph.get_all_groups([model.fc], kinds):
        channels = group[0].dep.target.module.out_channels
        group.prune(randperm(channels)[: channels // 2].tolist())
    ended = time.perf_counter()
    return {"graph": built - began, "pruning": ended - built, "all": ended - began}


def main() -> None:
    name, rounds = sys.argv[1], int((sys.argv[2:] or ["5"])[0])
    models = [NETWORKS[name]().eval() for _ in range(rounds)]
    found = summarize([time_pruning(model) for model in models])
    parameters = sum(leaf.numel() for leaf in models[0].parameters())
    print(json.dumps(found | {"parameters": parameters}))


if __name__ == "__main__":
    main()
