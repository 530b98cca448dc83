"""Costs of a grid of LeNet-5 as one call, beside its single runs one after the other.

On a CPU (``--grid small``) five seeds and four strengths of proximal Adam: ``train_many`` and the
twenty runs of ``train_epoch``, in turn within one process, an epoch per round, so that the ratios
of the medians hold on a noisy machine. The first round compiles and is left out.

On a GPU (``--grid mnist``) five penalties, five strengths and five seeds on MNIST as one job. A
penalty is code, not a number, so it is five calls of ``train_many``, 25 lanes in each. Rates are
images per second, of all lanes together; beside each call five of its runs (the seeds of one
strength) go one by one through ``train_epoch``, which is one scan there. PyTorch, if it is
installed, trains the same network in batches of the same size with its own Adam and without a
penalty, a little less work, for which plain ``optax.adam`` stands here: step by step, and with each
step as a CUDA graph. It runs in a process of its own, with TensorFloat-32 where JAX was found to
use it; ``errors`` are those of a product and of a convolution in float32, relative to full
precision.

    python benchmarks/bench_many.py [--grid small|mnist] [--rounds N] [--images N]
        [--batch-size N] [--data-root DIR] [--results DIR]
"""

import argparse
import functools
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _record import RESULTS, save
from _torch import time_epochs as torch_epochs
from flax import nnx

import sgl_jax as sgl
from sgl_jax import train
from sgl_jax.train import many


SEEDS = 5
STRENGTHS = [1e-6, 3e-6, 1e-5, 3e-5, 1e-4]
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


@functools.cache
def build_models() -> list[tuple[train.Network, Any, Any]]:
    """Builds LeNet-5 from every seed."""
    return [train.split(sgl.models.LeNet5(rngs=nnx.Rngs(seed))) for seed in range(SEEDS)]


def train_as_one(tx: Any, lanes: dict[str, np.ndarray], data: Data, batch_size: int) -> Epoch:
    """Prepares the grid for ``train_many``; returns the function of an epoch."""
    found = build_models()
    forward, seeds = found[0][0].forward, lanes["seed"]
    keys = jax.vmap(jax.random.key)(seeds)
    strengths = {name: column for name, column in lanes.items() if name != "seed"}
    variables = many.stack([found[seed][1:] for seed in seeds])
    states = [many.init_many(tx, *variables, hyperparams=strengths)]

    def epoch(number: int) -> None:
        # That all lanes fit is known here; to estimate it would compile the program twice more.
        states[0], losses = many.train_many(
            *(keys, forward, tx, states[0], *data),
            batch_size=batch_size,
            done=number,
            chunk_size=len(seeds),
        )
        jax.block_until_ready((states[0], losses))

    return epoch


def train_one_by_one(tx: Any, lanes: dict[str, np.ndarray], data: Data, batch_size: int) -> Epoch:
    """Prepares the same runs for ``train_epoch``, each dispatched without waiting for another."""
    found = build_models()
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


def time_epochs(epochs: dict[str, Epoch], rounds: int) -> dict[str, float]:
    """Times an epoch of each in turn, as median seconds; the first round warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in epochs}
    for number in range(rounds + 1):
        for name, epoch in epochs.items():
            began = time.perf_counter()
            epoch(number)
            seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(times[1:]) for name, times in seconds.items()}


def run_small(options: argparse.Namespace) -> None:
    """Times five seeds and four strengths, on images drawn at random."""
    generator, images = np.random.default_rng(0), options.images or 1920
    x = generator.integers(0, 256, (images, 28, 28, 1), dtype=np.uint8)
    y = generator.integers(0, 10, images, dtype=np.int32)
    data = jnp.asarray(x), jnp.asarray(y)
    lanes = many.grid(seed=range(SEEDS), lam=[1e-5, 3e-5, 1e-4, 3e-4])
    tx = sgl.prox_adam(1e-3, sgl.SparseGroup(sgl.L1(1e-5), sgl.L1(1e-5)))
    ways = {"train_many": train_as_one, "single runs": train_one_by_one}
    runs = {name: way(tx, lanes, data, options.batch_size) for name, way in ways.items()}
    medians = time_epochs(runs, options.rounds)
    base = medians["single runs"]
    figures = [
        {"candidate": name, "lanes": 20, "median_s": round(t, 3), "ratio": round(t / base, 3)}
        for name, t in medians.items()
    ]
    for figure in figures:
        print(format_figure(figure))
    config = {"rounds": options.rounds, "images": images, "batch_size": options.batch_size}
    print(save("many", config, figures, options.results))


def run_large(options: argparse.Namespace) -> None:
    """Times five penalties, strengths and seeds on MNIST, in images per second."""
    mnist = sgl.data.DATASETS["mnist"](root=options.data_root)
    x, y = mnist.x_train[: options.images], mnist.y_train[: options.images]
    config = {"rounds": options.rounds, "images": len(y), "batch_size": options.batch_size}
    config |= {"jax_default_matmul_precision": jax.config.jax_default_matmul_precision}
    config |= {"errors": measure_rounding()}
    figures = measure_torch(x, y, options, config["errors"])
    data = jnp.asarray(x), jnp.asarray(y)
    dense = train_one_by_one(optax.adam(1e-3), {"seed": np.arange(SEEDS)}, data, options.batch_size)
    seconds = time_epochs({"adam": dense}, options.rounds)["adam"]
    figures.append(make_figure("adam, single runs", SEEDS, len(y), options, seconds))
    for name, penalty in PENALTIES.items():
        figures += measure_penalty(name, penalty(1e-5), data, options)
        save("many", config, figures, options.results)
    jobs = [figure for figure in figures if figure["lanes"] == SEEDS * len(STRENGTHS)]
    lanes, seconds = (sum(job[column] for job in jobs) for column in ("lanes", "epoch_s"))
    figures.append(make_figure("all penalties, train_many", lanes, len(y), options, seconds))
    print(save("many", config, figures, options.results))


def measure_penalty(
    name: str, penalty: Any, data: Data, options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Times the lanes of a penalty as one call, and some of them one by one."""
    tx = sgl.prox_adam(1e-3, sgl.Regularizer(penalty, sgl.by_entry(only="kernel")))
    lanes = many.grid(seed=range(SEEDS), lam=STRENGTHS)
    some = {key: column[:: len(STRENGTHS)] for key, column in lanes.items()}
    runs = {
        "train_many": train_as_one(tx, lanes, data, options.batch_size),
        "single runs": train_one_by_one(tx, some, data, options.batch_size),
    }
    counts = SEEDS * len(STRENGTHS), SEEDS
    medians = time_epochs(runs, options.rounds)
    return [
        make_figure(f"{name}, {way}", count, len(data[1]), options, seconds)
        for count, (way, seconds) in zip(counts, medians.items(), strict=True)
    ]


def measure_rounding() -> dict[str, float]:
    """Measures relative errors of a product and a convolution at JAX's default precision."""
    keys = jax.random.split(jax.random.key(0), 4)
    x, w = jax.random.normal(keys[0], (64, 800)), jax.random.normal(keys[1], (800, 500))
    images, kernel = (
        jax.random.normal(keys[2], (64, 12, 12, 20)),
        jax.random.normal(keys[3], (5, 5, 20, 50)),
    )
    layout = {"dimension_numbers": ("NHWC", "HWIO", "NHWC")}
    found = {
        "product": lambda precision: jnp.dot(x, w, precision=precision),
        "convolution": lambda precision: jax.lax.conv_general_dilated(
            images, kernel, (1, 1), "VALID", precision=precision, **layout
        ),
    }
    return {name: float(measure_difference(f(None), f("highest"))) for name, f in found.items()}


def measure_difference(found: jax.Array, exact: jax.Array) -> jax.Array:
    return jnp.linalg.norm((found - exact).ravel()) / jnp.linalg.norm(exact.ravel())


def measure_torch(
    x: np.ndarray, y: np.ndarray, options: argparse.Namespace, errors: dict[str, float]
) -> list[dict[str, Any]]:
    """Times one run in each of PyTorch's ways, in its own process, as exact as JAX was found."""
    tf32 = {name: error > 1e-5 for name, error in errors.items()}
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        task = pool.submit(torch_epochs, x, y, options.batch_size, options.rounds, tf32)
        try:
            found = task.result()
        except (ImportError, RuntimeError) as error:
            print(f"PyTorch is left out: {error}")
            return []
    return [make_figure(name, 1, len(y), options, seconds) for name, seconds in found.items()]


def make_figure(
    name: str, lanes: int, images: int, options: argparse.Namespace, seconds: float
) -> dict[str, Any]:
    """Makes the figure of a number of lanes together, and prints it."""
    done = lanes * (images // options.batch_size * options.batch_size)
    figure = {"candidate": name, "lanes": lanes, "epoch_s": round(seconds, 4)}
    figure |= {"images_per_s": round(done / seconds)}
    print(format_figure(figure), flush=True)
    return figure


def format_figure(figure: dict[str, Any]) -> str:
    return "  ".join(f"{key} {value}" for key, value in figure.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    suits = "small" if jax.default_backend() == "cpu" else "mnist"
    parser.add_argument("--grid", choices=("small", "mnist"), default=suits, help="which grid")
    parser.add_argument("--rounds", type=int, default=5, help="timed epochs (5)")
    parser.add_argument("--images", type=int, default=None, help="images of an epoch (1920; all)")
    parser.add_argument("--batch-size", type=int, default=64, help="images per step (64)")
    parser.add_argument("--data-root", default=None, help="folder of MNIST")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the record")
    options = parser.parse_args()
    {"small": run_small, "mnist": run_large}[options.grid](options)


if __name__ == "__main__":
    main()
