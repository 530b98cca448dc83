"""Costs of a training step of LeNet-5: dense, with each regulariser, and in PyTorch.

Every candidate takes whole steps (gather a batch, forward, backward, update) on the same images,
all in turn within one process, so that the ratios of the medians hold on a noisy machine. Of two
steps in a row the second is timed: none pays for the caches, or for the threads that still spin,
of the one before it. PyTorch runs the same network with its own Adam, if it is installed
(``pip install '.[bench]'``). Start-up is the wall time of a fresh process from its launch to the
end of its first step, compilation included. On a GPU the epochs of the scan loop are timed too, in
images per second.

    python benchmarks/bench_train.py [--rounds N] [--batch-size N]
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _record import save
from _rounds import time_second_calls
from _torch import build_lenet5, make_tensors
from flax import nnx

import sgl_jax as sgl
from sgl_jax import train
from sgl_jax.data import take_batch


IMAGES = 6_000
LAM = 1e-5
"""Strength of every penalty: small, so that all candidates stay dense alike."""

START_UP = """
import jax, sgl_jax as sgl
from flax import nnx
from sgl_jax import train
network, params, rest = train.split(sgl.models.LeNet5(rngs=nnx.Rngs(0)))
tx = sgl.prox_adam(1e-3, sgl.SparseGroup(sgl.L1(1e-5), sgl.L1(1e-5)))
state = train.init_state(tx, params, rest)
x, y = jax.numpy.zeros((128, 28, 28, 1), "uint8"), jax.numpy.zeros(128, "int32")
state, loss = train.train_epoch(jax.random.key(0), network.forward, tx, state, x, y, batch_size=128)
loss.block_until_ready()
"""


def draw_data() -> tuple[np.ndarray, np.ndarray]:
    """Draws images and labels at random: a step takes as long on noise as on digits."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (IMAGES, 28, 28, 1), dtype=np.uint8)
    return x, rng.integers(0, 10, IMAGES, dtype=np.int32)


def make_transformations() -> dict[str, optax.GradientTransformation]:
    """Makes Adam, Adam behind the paper's splitting, and proximal Adam."""
    kernels = sgl.by_entry(only="kernel")
    found = {"adam": optax.adam(1e-3)}
    for name, penalty in sgl.PENALTIES.items():
        if name == "nuclear":  # a singular value decomposition a step
            continue
        link = sgl.sgl_transform(penalty(LAM), beta=25 * LAM)
        found[f"splitting {name}"] = optax.chain(link, optax.adam(1e-3))
        if issubclass(penalty, sgl.NormPenalty):
            entries = sgl.Regularizer(penalty(LAM), kernels)
            found[f"prox_adam {name}"] = sgl.prox_adam(1e-3, entries)
    sparse_group = sgl.SparseGroup(sgl.L1(LAM), sgl.L1(LAM))
    return found | {"prox_adam l1 sparse groups": sgl.prox_adam(1e-3, sparse_group)}


def make_jax_step(tx: optax.GradientTransformation, batch_size: int) -> Callable[[], None]:
    """Makes a function that takes one step and waits for it."""
    network, params, rest = train.split(sgl.models.LeNet5(rngs=nnx.Rngs(0)))
    x, y = map(jnp.asarray, draw_data())
    order = np.random.default_rng(1)

    def step(state, indices):
        return train.train_step(network.forward, tx, state, *take_batch(x, y, indices))

    step = train.compiled(step, donate_argnums=0)
    states = [train.init_state(tx, params, rest)]

    def run() -> None:
        indices = jnp.asarray(order.integers(0, IMAGES, batch_size))
        states[0], loss = step(states[0], indices)
        jax.block_until_ready((states[0], loss))

    return run


def make_torch_step(batch_size: int) -> Callable[[], None]:
    """Makes the same function in PyTorch, on the CPU."""
    import torch
    from torch import nn

    x, y = make_tensors(*draw_data())
    order = np.random.default_rng(1)
    model = build_lenet5()
    adam, loss_fn = torch.optim.Adam(model.parameters(), 1e-3), nn.CrossEntropyLoss()

    def run() -> None:
        indices = torch.from_numpy(order.integers(0, IMAGES, batch_size))
        adam.zero_grad()
        loss_fn(model(x[indices].float() / 255), y[indices]).backward()
        adam.step()

    return run


def list_candidates(batch_size: int) -> dict[str, Callable[[], None]]:
    """Lists the step of every candidate by its name."""
    found = {name: make_jax_step(tx, batch_size) for name, tx in make_transformations().items()}
    try:
        return {f"torch {_find_torch_version()}": make_torch_step(batch_size), **found}
    except ImportError:
        print("PyTorch is not installed: left out.")
        return found


def _find_torch_version() -> str:
    import torch

    return torch.__version__.partition("+")[0]


def measure(rounds: int, batch_size: int) -> list[dict[str, Any]]:
    """Times all candidates in turn; three rounds warm up."""
    runs = list_candidates(batch_size)
    medians = time_second_calls(runs, rounds, warm=3)
    peer = next((medians[name] for name in medians if name.startswith("torch")), None)
    return [
        {
            "candidate": name,
            "median_ms": round(1e3 * median, 3),
            "to_adam": round(median / medians["adam"], 3),
            "to_torch": None if peer is None else round(median / peer, 3),
        }
        for name, median in medians.items()
    ]


def measure_start_up(rounds: int = 5) -> dict[str, Any]:
    """Measures the seconds from the launch of a process to the end of its first step."""
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", START_UP], check=True)
        seconds.append(time.perf_counter() - began)
    return {"candidate": "start-up", "median_s": round(statistics.median(seconds), 2)}


def measure_scan(batch_size: int, epochs: int = 10) -> list[dict[str, Any]]:
    """Measures images per second of the scan loop, which runs on a GPU."""
    x, y = map(jnp.asarray, draw_data())
    found = []
    for name, tx in make_transformations().items():
        network, params, rest = train.split(sgl.models.LeNet5(rngs=nnx.Rngs(0)))
        state, rates = train.init_state(tx, params, rest), []
        for key in jax.random.split(jax.random.key(0), epochs + 1):
            began = time.perf_counter()
            state, loss = train.train_epoch(
                key, network.forward, tx, state, x, y, batch_size=batch_size
            )
            loss.block_until_ready()
            rates.append(IMAGES // batch_size * batch_size / (time.perf_counter() - began))
        rate = round(statistics.median(rates[1:]))
        found.append({"candidate": f"scan {name}", "images_per_s": rate})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100, help="timed rounds (100)")
    parser.add_argument("--batch-size", type=int, default=128, help="images per step (128)")
    options = parser.parse_args()
    figures = [measure_start_up(), *measure(options.rounds, options.batch_size)]
    if jax.default_backend() != "cpu":
        figures += measure_scan(options.batch_size)
    for row in figures:
        print("  ".join(f"{key} {value}" for key, value in row.items()))
    print(save("train", vars(options), figures))


if __name__ == "__main__":
    main()
