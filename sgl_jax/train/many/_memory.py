"""Memory that the program of all lanes takes, by estimate, and the lanes that fit into it."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from sgl_jax.train import Images, Labels, TrainState
from sgl_jax.train.many._lanes import count_lanes
from sgl_jax.train.many._program import Job, compiled_epoch


__all__ = ["choose_chunk_size", "memory_of"]

_PROBES = 2, 4
"""Numbers of lanes that are compiled to find what a lane takes; with one, XLA drops the axis."""

_SHARE = 0.9
"""Share of a device's free memory that is counted on; the rest is lost between allocations."""


def memory_of(
    forward: Callable[..., Any],
    tx: optax.GradientTransformation,
    states: TrainState,
    x: Images,
    y: Labels,
    *,
    batch_size: int,
    lanes: int | None = None,
) -> int:
    """Estimates the bytes that a device needs to train some lanes side by side.

    The program is compiled for two lanes and for four, without being run; the memory that XLA
    allocates for it (data, states, intermediate results) is taken to grow by the same amount with
    every lane.

    Args:
      forward: :attr:`sgl_jax.train.Network.forward`.
      tx: any Optax transformation.
      states: states of :func:`init_many`, of which only shapes are read.
      x: the images to train on, likewise.
      y: their labels, likewise.
      batch_size: examples per step of a lane.
      lanes: number of lanes; by default as many as ``states`` has.
    """
    fixed, each = _fit_line(Job(forward, tx, x, y, batch_size), states)
    return fixed + each * (count_lanes(states) if lanes is None else lanes)


def choose_chunk_size(
    job: Job,
    states: TrainState,
    devices: Sequence[jax.Device],
    chunk_size: int | None,
    memory_limit: int | None,
) -> int:
    """Chooses the lanes that are trained at a time, as few equal chunks for all devices together.

    Args:
      job: the part of the training that all lanes share.
      states: states of all lanes.
      devices: the devices that share a chunk evenly.
      chunk_size: lanes of a chunk at most; ``None`` for as many as fit.
      memory_limit: bytes that the program may take on a device; ``None`` for those that are free,
        or for any number beside a ``chunk_size``.
    """
    lanes, count = count_lanes(states), len(devices)
    most = _ceil_divide(lanes, count)
    if chunk_size is not None:
        most = min(most, max(1, chunk_size // count))
    elif memory_limit is None:
        memory_limit = _measure_free(devices[0], (states, job.x, job.y))
    if memory_limit is not None:
        most = _count_fitting(job, states, memory_limit, most)
    chunks = _ceil_divide(lanes, most * count)
    return count * _ceil_divide(lanes, chunks * count)


def _ceil_divide(total: int, part: int) -> int:
    return -(-total // part)


def _measure_free(device: jax.Device, held: Any) -> int | None:
    """Measures the bytes that a device has for the program, those of the tree it holds included."""
    stats = device.memory_stats() or {}
    if "bytes_limit" not in stats:
        return None
    ours = sum(leaf.nbytes for leaf in jax.tree.leaves(held))
    return int(_SHARE * (stats["bytes_limit"] - stats.get("bytes_in_use", 0) + ours))


def _count_fitting(job: Job, states: TrainState, limit: int, wanted: int) -> int:
    """Counts the lanes, at most ``wanted``, that a device may train at a time within the limit."""
    fixed, each = _fit_line(job, states)
    if fixed + each * wanted <= limit:
        return wanted
    # The states of all lanes stay on the first device while the chunks come and go.
    fixed += sum(leaf.nbytes for leaf in jax.tree.leaves(states))
    if fixed + each > limit:
        raise ValueError(
            f"train_many needs {fixed + each} bytes to train one lane beside the states of all "
            f"{count_lanes(states)}, got {limit}: train fewer lanes at a call, or smaller batches."
        )
    return (limit - fixed) // each


def _fit_line(job: Job, states: TrainState) -> tuple[int, int]:
    """Fits a line to the memory: bytes without any lanes, and bytes per lane."""
    leaves, structure = jax.tree.flatten(states)
    shapes = tuple((leaf.shape[1:], leaf.dtype) for leaf in leaves)
    data = tuple((part.shape, part.dtype) for part in (job.x, job.y))
    return _fit_line_to_shapes(job.forward, job.tx, job.batch_size, structure, shapes, data)


@functools.lru_cache(maxsize=64)
def _fit_line_to_shapes(forward, tx, batch_size, structure, shapes, data) -> tuple[int, int]:
    def measure(lanes: int) -> int:
        leaves = [jax.ShapeDtypeStruct((lanes, *shape), dtype) for shape, dtype in shapes]
        states = jax.tree.unflatten(structure, leaves)
        keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), lanes))
        x, y = (jax.ShapeDtypeStruct(*part) for part in data)
        epoch = jax.ShapeDtypeStruct((), jnp.int32)
        arguments = forward, tx, batch_size, None, states, keys, x, y, epoch
        lowered = compiled_epoch.lower(*arguments)  # pyrefly: ignore
        use = lowered.compile().memory_analysis()
        made = use.output_size_in_bytes - use.alias_size_in_bytes
        return use.argument_size_in_bytes + made + use.temp_size_in_bytes

    few, more = map(measure, _PROBES)
    each = max(1, (more - few) // (_PROBES[1] - _PROBES[0]))
    return max(0, more - each * _PROBES[1]), each
