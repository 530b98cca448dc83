"""Costs of a network, in bytes, FLOPs and seconds, with its dead channels and without them."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import jax

from sgl_jax._util.typing import Params
from sgl_jax.compaction import Compacted, Size, compact
from sgl_jax.data import Dataset
from sgl_jax.runs.experiment import Run, get_sparse_params, take_images
from sgl_jax.train import evaluate


__all__ = [
    "BATCHES",
    "Cost",
    "Predictor",
    "compact_network",
    "make_predictor",
    "measure_costs",
    "measure_error",
    "measure_latencies",
]

BATCHES = (1, 256)
"""Batch sizes of the latencies."""

ROUNDS = 30
"""Rounds of measurements, as many as begin within :data:`PATIENCE` seconds, at least three."""

PATIENCE = 2.0
"""Seconds for the measurements at one batch size."""

Predictor: TypeAlias = tuple[Callable[..., Any], Params]
"""A function of parameters and images, and the parameters."""


class Cost(NamedTuple):
    """Test error and costs of a network.

    Attributes:
      error: error on the test images, in [0, 1].
      size: parameters, bytes, and FLOPs of one image.
      seconds: median latency by batch size.
    """

    error: float
    size: Size
    seconds: dict[int, float]


def make_predictor(run: Run) -> Predictor:
    """Makes a predictor of the sparse network of a run, with its dead channels."""
    experiment, state = run.experiment, run.state
    variables = (get_sparse_params(experiment.config, state), state.rest)
    return experiment.full.apply, tuple(map(experiment.widen, variables))


def compact_network(run: Run) -> Compacted:
    """Removes the dead channels from the sparse network of a run.

    Args:
      run: a run with its state whole on one device.

    Raises:
      ValueError: the network cannot be compacted.
    """
    return compact(*make_predictor(run), take_images(run.experiment.data, 1))


def measure_costs(dense: Run, sparse: Mapping[str, Run]) -> dict[str, Cost]:
    """Measures the costs of a dense network, and of sparse ones without their dead channels.

    Args:
      dense: a run of the same model on the same data.
      sparse: runs by name, at least one.

    Raises:
      ValueError: a network cannot be compacted.
    """
    data = dense.experiment.data
    small = {name: compact_network(run) for name, run in sparse.items()}
    networks = {
        "dense": make_predictor(dense),
        **{name: (network.apply, network.params) for name, network in small.items()},
    }
    sizes = {name: network.report.after for name, network in small.items()}
    sizes["dense"] = next(iter(small.values())).report.before
    seconds = measure_latencies(networks, data)
    return {n: Cost(measure_error(networks[n], data), sizes[n], seconds[n]) for n in networks}


def measure_error(network: Predictor, data: Dataset) -> float:
    """Measures the error of a network on the test images."""
    return evaluate(*network, data.x_test, data.y_test).error


def measure_latencies(
    networks: Mapping[str, Predictor], data: Dataset
) -> dict[str, dict[int, float]]:
    """Measures the median seconds of a compiled call, by network and batch size.

    The networks take turns, so that other work of the machine slows all of them alike.

    Args:
      networks: the networks by name.
      data: the data set on whose test images they run.
    """
    found: dict[str, dict[int, float]] = {name: {} for name in networks}
    calls = {name: (jax.jit(apply), params) for name, (apply, params) in networks.items()}
    for batch in BATCHES:
        images = take_images(data, batch)
        for name, seconds in _time_in_turn(calls, images).items():
            found[name][batch] = statistics.median(seconds)
    return found


def _time_in_turn(networks: Mapping[str, Predictor], images: jax.Array) -> dict[str, list[float]]:
    """Times calls of the networks round by round, after a call that compiles."""
    taken: dict[str, list[float]] = {name: [] for name in networks}
    for apply, params in networks.values():
        jax.block_until_ready(apply(params, images))
    began = time.perf_counter()
    for number in range(ROUNDS):
        if number >= 3 and time.perf_counter() - began > PATIENCE:
            break
        for name, (apply, params) in networks.items():
            start = time.perf_counter()
            jax.block_until_ready(apply(params, images))
            taken[name].append(time.perf_counter() - start)
    return taken
