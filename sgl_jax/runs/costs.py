"""Costs of a network, in bytes, FLOPs and seconds, with its dead channels and without them."""

import dataclasses
import statistics
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from sgl_jax._util.compilation import compile_quickest
from sgl_jax._util.timing import time_in_turn
from sgl_jax._util.typing import Params
from sgl_jax.compaction import Compacted, Size, compact
from sgl_jax.compaction.artifacts import measure_archive, round_biases
from sgl_jax.data import Dataset
from sgl_jax.metrics import Storage, storage
from sgl_jax.runs.experiment import Run, get_sparse_params, take_images
from sgl_jax.train import evaluate


__all__ = [
    "BATCHES",
    "Cost",
    "Latencies",
    "Predictor",
    "compact_network",
    "make_predictor",
    "measure_costs",
    "measure_error",
    "measure_latencies",
    "measure_storage",
]

BATCHES = (1, 256)
"""Batch sizes of the latencies."""

Predictor: TypeAlias = tuple[Callable[..., Any], Params]
"""A function of parameters and images, and the parameters."""


class Cost(NamedTuple):
    """Test error and costs of a network.

    Attributes:
      error: error on the test images, in [0, 1].
      size: parameters, bytes, and FLOPs of one image.
      seconds: median latency by batch size.
      options: name of the compiler options with which it was measured, by batch size.
    """

    error: float
    size: Size
    seconds: dict[int, float]
    options: Mapping[int, str] = MappingProxyType({})


class Latencies(NamedTuple):
    """Latencies of a network, measured with the compiler options that suit it.

    Attributes:
      seconds: median by batch size.
      options: name of the options by batch size, chosen by measurement.
    """

    seconds: dict[int, float]
    options: dict[int, str]


def make_predictor(run: Run) -> Predictor:
    """Makes a predictor of the sparse network of a run, with its dead channels."""
    experiment, state = run.experiment, run.experiment.read(run.state)
    variables = (get_sparse_params(experiment.config, state), state.rest)
    return experiment.full.apply, tuple(map(experiment.widen, variables))


def compact_network(run: Run, fastest: bool = False, bias_bits: int | None = None) -> Compacted:
    """Removes the dead channels from the sparse network of a run.

    Args:
      run: a run with its state whole on one device.
      fastest: round the numbers of channels up to those with which the largest batch of
        :data:`BATCHES` is quickest.
      bias_bits: bits to round the biases to, once dead channels have left; as they are without it.

    Raises:
      ValueError: the network cannot be compacted, or ``bias_bits`` is out of its range.
    """
    arguments, data = make_predictor(run), run.experiment.data
    options: dict[str, Any] = {}
    if fastest:
        options = {"round_to": "fastest", "timed": (take_images(data, max(BATCHES)),)}
    found = compact(*arguments, take_images(data, 1), **options)
    if bias_bits is None:
        return found
    return dataclasses.replace(found, params=round_biases(found.params, bias_bits))


def measure_storage(full: Params, small: Params, archive: Path | None = None) -> Storage | None:
    """Measures the storage of a network with weights on levels; ``None`` of another.

    Args:
      full: the sparse network with its dead channels.
      small: the same without them.
      archive: path of its archive, which is not coded once more if it is there.
    """
    found = storage(small, full)
    if not found.levels:
        return None
    there = archive is not None and archive.exists()
    return found._replace(file_bytes=archive.stat().st_size if there else measure_archive(small))


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
    latencies = measure_latencies(networks, data)
    return {n: Cost(measure_error(networks[n], data), sizes[n], *latencies[n]) for n in networks}


def measure_error(network: Predictor, data: Dataset) -> float:
    """Measures the error of a network on the test images."""
    return evaluate(*network, data.x_test, data.y_test).error


def measure_latencies(networks: Mapping[str, Predictor], data: Dataset) -> dict[str, Latencies]:
    """Measures the median seconds of a compiled call, by network and batch size.

    Every network is compiled with the options with which it is quickest. The networks take turns,
    so that other work of the machine slows all of them alike.

    Args:
      networks: the networks by name.
      data: the data set on whose test images they run.
    """
    found = {name: Latencies({}, {}) for name in networks}
    for batch in BATCHES:
        images = take_images(data, batch)
        compiled = {
            name: compile_quickest(apply, params, images)
            for name, (apply, params) in networks.items()
        }
        calls = {name: partial(compiled[name].call, networks[name][1], images) for name in networks}
        for name, seconds in time_in_turn(calls).items():
            found[name].seconds[batch] = statistics.median(seconds)
            found[name].options[batch] = compiled[name].options
    return found
