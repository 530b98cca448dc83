"""What a grid of LeNet-5 costs as one call, beside its single runs one after the other.

Five seeds and four strengths of proximal Adam: ``train_many`` and the twenty runs of
``train_epoch``, in turn within one process, an epoch per round, so that the ratios of the medians
hold on a noisy machine. The first round compiles and is left out. On a GPU five penalties, five
strengths and five seeds on MNIST follow: the 25 lanes of a penalty as one job, in images per
second, beside the same runs one by one and beside PyTorch, if it is installed
(``pip install '.[bench]'``).

    python benchmarks/bench_many.py [--rounds N] [--images N] [--batch-size N] [--data-root DIR]
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _record import save
from flax import nnx

import sgl_jax as sgl
from sgl_jax import many, train


SEEDS = 5
STRENGTHS = [1e-5, 3e-5, 1e-4, 3e-4]
PENALTIES = {
    "l1": sgl.L1,
    "l0": sgl.L0,
    "transformed_l1": sgl.TransformedL1,
    "scad": sgl.SCAD,
    "mcp": sgl.MCP,
}

Data = tuple[jax.Array, jax.Array]
Epoch = Callable[[int], None]
"""Trains everything for the epoch of this number and waits for it."""


def models() -> list[tuple[train.Network, Any, Any]]:
    """LeNet-5 from every seed."""
    return [train.split(sgl.models.LeNet5(rngs=nnx.Rngs(seed))) for seed in range(SEEDS)]


def as_one(tx: Any, lanes: dict[str, np.ndarray], data: Data, batch_size: int) -> Epoch:
    """The grid by ``train_many``."""
    found = models()
    forward, seeds = found[0][0].forward, lanes["seed"]
    keys = jax.vmap(jax.random.key)(seeds)
    strengths = {name: column for name, column in lanes.items() if name != "seed"}
    variables = many.stack([found[seed][1:] for seed in seeds])
    states = [many.init_many(tx, *variables, hyperparams=strengths)]

    def epoch(number: int) -> None:
        states[0], losses = many.train_many(
            keys, forward, tx, states[0], *data, batch_size=batch_size, done=number
        )
        jax.block_until_ready((states[0], losses))

    return epoch


def one_by_one(tx: Any, lanes: dict[str, np.ndarray], data: Data, batch_size: int) -> Epoch:
    """The same runs by ``train_epoch``, each dispatched without waiting for the one before it."""
    found = models()
    forward, states = found[0][0].forward, []
    for row in zip(*lanes.values(), strict=True):
        values = dict(zip(lanes, row, strict=True))
        state = train.init_state(tx, *found[values.pop("seed")][1:])
        strengths = {name: jnp.asarray(value, float) for name, value in values.items()}
        states.append(state._replace(opt_state=optax.tree.set(state.opt_state, **strengths)))

    def epoch(number: int) -> None:
        for at, seed in enumerate(lanes["seed"]):
            key = jax.random.fold_in(jax.random.key(int(seed)), number + 1)
            states[at], _ = train.train_epoch(
                key, forward, tx, states[at], *data, batch_size=batch_size
            )
        jax.block_until_ready(states)

    return epoch


def in_torch(data: Data, batch_size: int) -> Epoch:
    """One run of LeNet-5 with Adam and no penalty in PyTorch, on its GPU."""
    import torch
    from torch import nn

    if not torch.cuda.is_available():
        raise ImportError("PyTorch finds no GPU.")
    x = torch.from_numpy(np.ascontiguousarray(np.asarray(data[0]).transpose(0, 3, 1, 2))).cuda()
    y = torch.from_numpy(np.asarray(data[1])).long().cuda()
    convolutions = (nn.Conv2d(1, 20, 5), nn.ReLU(), nn.MaxPool2d(2))
    convolutions += (nn.Conv2d(20, 50, 5), nn.ReLU(), nn.MaxPool2d(2))
    dense = (nn.Flatten(), nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10))
    model = nn.Sequential(*convolutions, *dense).cuda()
    adam, loss_fn = torch.optim.Adam(model.parameters(), 1e-3), nn.CrossEntropyLoss()

    def epoch(number: int) -> None:
        del number
        order = torch.randperm(len(y), device="cuda")
        for indices in order[: len(y) // batch_size * batch_size].view(-1, batch_size):
            adam.zero_grad()
            loss_fn(model(x[indices].float() / 255), y[indices]).backward()
            adam.step()
        torch.cuda.synchronize()

    return epoch


def timed(epochs: dict[str, Epoch], rounds: int) -> dict[str, float]:
    """Median seconds of an epoch of each, in turn; the first round warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in epochs}
    for number in range(rounds + 1):
        for name, epoch in epochs.items():
            began = time.perf_counter()
            epoch(number)
            seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(times[1:]) for name, times in seconds.items()}


def small(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Five seeds and four strengths, on images drawn at random."""
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, (options.images, 28, 28, 1), dtype=np.uint8)
    y = generator.integers(0, 10, options.images, dtype=np.int32)
    data = jnp.asarray(x), jnp.asarray(y)
    lanes = many.grid(seed=range(SEEDS), entry_lam=STRENGTHS)
    tx = sgl.prox_adam(1e-3, sgl.SparseGroup(sgl.L1(1e-5), sgl.L1(1e-5)))
    ways = {"train_many": as_one, "single runs": one_by_one}
    runs = {name: way(tx, lanes, data, options.batch_size) for name, way in ways.items()}
    medians = timed(runs, options.rounds)
    base = medians["single runs"]
    return [
        {"candidate": name, "lanes": 20, "median_s": round(t, 3), "ratio": round(t / base, 3)}
        for name, t in medians.items()
    ]


def large(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Five penalties, five strengths and five seeds on MNIST, in images per second."""
    mnist = sgl.data.DATASETS["mnist"](root=options.data_root)
    data = jnp.asarray(mnist.x_train), jnp.asarray(mnist.y_train)
    images = len(mnist.y_train) // options.batch_size * options.batch_size
    lanes = many.grid(seed=range(SEEDS), lam=[1e-6, 3e-6, *STRENGTHS[:3]])
    found = []
    for name, penalty in PENALTIES.items():
        tx = sgl.prox_adam(1e-3, sgl.Regularizer(penalty(1e-5), sgl.by_entry(only="kernel")))
        ways = {f"{name}, train_many": as_one, f"{name}, single runs": one_by_one}
        runs = {key: way(tx, lanes, data, options.batch_size) for key, way in ways.items()}
        found += [(key, 25, t) for key, t in timed(runs, options.rounds).items()]
    try:
        run = in_torch(data, options.batch_size)
        found += [("torch", 1, timed({"torch": run}, options.rounds)["torch"])]
    except ImportError:
        print("PyTorch for a GPU is not installed: left out.")
    return [
        {"candidate": name, "lanes": count, "images_per_s": round(count * images / t)}
        for name, count, t in found
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="timed epochs (5)")
    parser.add_argument("--images", type=int, default=1920, help="images of the small grid (1920)")
    parser.add_argument("--batch-size", type=int, default=64, help="images per step (64)")
    parser.add_argument("--data-root", default=None, help="folder of MNIST, for the GPU's grid")
    options = parser.parse_args()
    figures = small(options)
    if jax.default_backend() != "cpu":
        figures += large(options)
    for row in figures:
        print("  ".join(f"{key} {value}" for key, value in row.items()))
    config = {name: value for name, value in vars(options).items() if name != "data_root"}
    print(save("many", config, figures))


if __name__ == "__main__":
    main()
