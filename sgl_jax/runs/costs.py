"""What a network costs to keep and to run, with its dead channels and without them."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from sgl_jax._util.typing import Params
from sgl_jax.compaction import Compacted, Size, compact
from sgl_jax.data import Dataset, take_batch
from sgl_jax.runs.experiment import Reached, sparse_of
from sgl_jax.train import evaluate


__all__ = ["BATCHES", "Cost", "Network", "compacted", "costs_of", "full_of", "latencies", "tested"]

BATCHES = (1, 256)
"""Images at once."""

ROUNDS = 30
"""Of measurements, as many of them as fit into :data:`PATIENCE`, but three at least."""

PATIENCE = 2.0
"""Seconds for the measurements at one batch size."""

Network: TypeAlias = tuple[Callable[..., Any], Params]
"""A function of parameters and images, and the parameters."""


class Cost(NamedTuple):
    """What a network is worth and what it costs.

    Attributes:
      error: on the test images, in [0, 1].
      size: parameters, bytes, and FLOPs of one image.
      seconds: median latency by the number of images at once.
    """

    error: float
    size: Size
    seconds: dict[int, float]


def full_of(run: Reached) -> Network:
    """The sparse network of a run with its dead channels."""
    sparse = sparse_of(run.experiment.config, run.state)
    return run.experiment.network.apply, (sparse, run.state.rest)


def compacted(run: Reached) -> Compacted:
    """The sparse network of a run without its dead channels.

    Args:
      run: with its state whole on one device.

    Raises:
      ValueError: the network cannot be compacted.
    """
    return compact(*full_of(run), _images(run.experiment.data, 1))


def costs_of(dense: Reached, sparse: Mapping[str, Reached]) -> dict[str, Cost]:
    """What a dense network costs, and sparse ones without their dead channels.

    Args:
      dense: a run of the same model on the same data.
      sparse: runs by name, at least one.

    Raises:
      ValueError: a network cannot be compacted.
    """
    data, small = dense.experiment.data, {name: compacted(run) for name, run in sparse.items()}
    networks = {
        "dense": full_of(dense),
        **{name: (network.apply, network.params) for name, network in small.items()},
    }
    sizes = {name: network.report.after for name, network in small.items()}
    sizes["dense"] = next(iter(small.values())).report.before
    seconds = latencies(networks, data)
    return {n: Cost(tested(networks[n], data), sizes[n], seconds[n]) for n in networks}


def tested(network: Network, data: Dataset) -> float:
    """The error of a network on the test images."""
    return evaluate(*network, data.x_test, data.y_test).error


def latencies(networks: Mapping[str, Network], data: Dataset) -> dict[str, dict[int, float]]:
    """Median seconds of a call, compiled, by the name of the network and the batch size.

    The networks take turns, so that whatever else the machine does meets all of them.

    Args:
      networks: what to measure, by name.
      data: whose test images to run them on.
    """
    found: dict[str, dict[int, float]] = {name: {} for name in networks}
    calls = {name: (jax.jit(apply), params) for name, (apply, params) in networks.items()}
    for batch in BATCHES:
        images = _images(data, batch)
        for name, seconds in _rounds(calls, images).items():
            found[name][batch] = statistics.median(seconds)
    return found


def _rounds(networks: Mapping[str, Network], images: jax.Array) -> dict[str, list[float]]:
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


def _images(data: Dataset, count: int) -> jax.Array:
    """So many test images, from the first on, over again where there are not enough."""
    indices = np.arange(count) % len(data.y_test)
    few = jnp.asarray(data.x_test[indices]), jnp.asarray(data.y_test[indices])
    return take_batch(*few, jnp.arange(count))[0]
