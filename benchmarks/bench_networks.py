"""Milliseconds of a training step of residual networks: by compiler options, and in PyTorch.

Whole steps of Adam on a batch of 128 images of CIFAR's size, forward, backward and update. For
every network all candidates take their steps in turn within one process, so that the ratios of the
medians hold on a noisy machine; of two steps in a row the second is timed. PyTorch has its channels
last, which is its fastest there, if it is installed (``pip install '.[bench]'``).

    python benchmarks/bench_networks.py [--rounds N] [--batch-size N] [--networks NAME ...]
"""

import argparse
from collections.abc import Callable, Mapping
from typing import Any

import jax
import optax
from _record import save
from _rounds import time_second_calls
from flax import nnx

import sgl_jax as sgl
from sgl_jax import train
from sgl_jax._util.compilation import option_sets


NETWORKS: dict[str, tuple[Callable[[], nnx.Module], tuple[int, ...]]] = {
    "resnet20": (lambda: resnet(20), (32, 32, 3)),
    "resnet56": (lambda: resnet(56), (32, 32, 3)),
    "lenet5": (lambda: sgl.models.LeNet5(rngs=nnx.Rngs(0)), (28, 28, 1)),
    "conv4": (lambda: sgl.models.Conv4(rngs=nnx.Rngs(0)), (28, 28, 1)),
    "vgg16": (lambda: sgl.models.VGG16(rngs=nnx.Rngs(0)), (32, 32, 3)),
}
"""Networks and the shapes of their images, by name."""

PEERS = {"resnet20": 3, "resnet56": 9}
"""Blocks in each stage of the networks that PyTorch has beside ours."""


def resnet(depth: int) -> nnx.Module:
    """Builds a network with projections, as the peer has them."""
    return sgl.models.ResNet(depth=depth, shortcut="projection", rngs=nnx.Rngs(0))


def make_jax_steps(name: str, batch_size: int) -> dict[str, Callable[[], None]]:
    """Makes functions that take one step and wait for it, by the compiler options."""
    build, shape = NETWORKS[name]
    network, params, rest = train.split(build())
    x = jax.random.uniform(jax.random.key(0), (batch_size, *shape))
    y = jax.random.randint(jax.random.key(1), (batch_size,), 0, 10)
    tx = optax.adam(1e-3)

    def make(options: str) -> Callable[[], None]:
        step = train.compiled(
            lambda state: train.train_step(network.forward, tx, state, x, y),
            options,
            donate_argnums=0,
        )
        states = [train.init_state(tx, params, rest)]

        def run() -> None:
            states[0], loss = step(states[0])
            jax.block_until_ready((states[0], loss))

        return run

    return {
        f"{options}{' (ours)' if options == network.options else ''}": make(options)
        for options in option_sets()
    }


def make_torch_step(name: str, batch_size: int) -> dict[str, Callable[[], None]]:
    """Makes the same function in PyTorch, if there is a peer."""
    if name not in PEERS:
        return {}
    try:
        import torch
        from _torch_pruning import Block, Network
    except ImportError:
        return {}
    last = {"memory_format": torch.channels_last}
    model = Network(Block, PEERS[name], 1).to(**last)
    x = torch.rand(batch_size, 3, 32, 32).to(**last)
    y = torch.randint(0, 10, (batch_size,))
    adam, loss_fn = torch.optim.Adam(model.parameters(), 1e-3), torch.nn.CrossEntropyLoss()

    def run() -> None:
        adam.zero_grad()
        loss_fn(model(x), y).backward()
        adam.step()

    return {f"torch {torch.__version__.partition('+')[0]}": run}


def measure(name: str, runs: Mapping[str, Callable[[], None]], rounds: int) -> list[dict[str, Any]]:
    """Times all candidates in turn; a round warms up."""
    medians = time_second_calls(runs, rounds, warm=1)
    peer = next((medians[each] for each in medians if each.startswith("torch")), None)
    return [
        {
            "network": name,
            "candidate": each,
            "median_ms": round(1e3 * median, 1),
            "to_torch": None if peer is None else round(median / peer, 2),
        }
        for each, median in medians.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="timed rounds (15)")
    parser.add_argument("--batch-size", type=int, default=128, help="images per step (128)")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    options = parser.parse_args()
    figures = []
    for name in options.networks:
        peer = make_torch_step(name, options.batch_size)
        runs = {**make_jax_steps(name, options.batch_size), **peer}
        figures += measure(name, runs, options.rounds)
        for row in figures[-len(runs) :]:
            print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    print(save("networks", vars(options), figures))


if __name__ == "__main__":
    main()
