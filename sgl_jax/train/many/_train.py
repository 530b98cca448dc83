"""Training of many lanes: side by side in one program, or one after the other."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from sgl_jax.train import Images, Labels, TrainState
from sgl_jax.train._images import on_device
from sgl_jax.train.many._indexing import moved, rows, with_rows
from sgl_jax.train.many._lanes import lanes_of
from sgl_jax.train.many._program import Job, Keys, Losses, compiled_epoch, lanes_that_fit
from sgl_jax.train.many._sequential import in_turn, on_cpu


__all__ = ["train_many"]

_SHARE = 0.9
"""Share of a device's free memory that is counted on; the rest is lost between allocations."""


def train_many(
    keys: Keys,
    forward: Callable[..., Any],
    tx: optax.GradientTransformation,
    states: TrainState,
    x: Images,
    y: Labels,
    *,
    batch_size: int,
    epochs: int = 1,
    done: int = 0,
    vectorize: bool | None = None,
    mesh: Mesh | None = None,
    chunk_size: int | None = None,
    memory_limit: int | None = None,
) -> tuple[TrainState, Losses]:
    """Trains every lane as if it were alone, on the same data in an order of its own.

    A lane goes through the steps of ``train_epoch(jax.random.fold_in(key, epoch), ...)``, epochs
    counted from 1. On a GPU or TPU one program takes each step in all lanes at once. On a CPU,
    where that slows convolutions down, the lanes take turns at the one compiled step of
    ``train_epoch``, and each is bit for bit its single run. Side by side, sums are rounded in
    another order, which Adam amplifies in weights whose gradients are no more than rounding errors.
    Either way what runs is compiled once. ``states`` is consumed; its arrays are deleted.

    Args:
      keys: one per lane; lanes with the same key see the data in the same order.
      forward: :attr:`sgl_jax.train.Network.forward`.
      tx: the transformation that the states were made with.
      states: states of :func:`init_many`.
      x: uint8 images, the same for all lanes.
      y: labels.
      batch_size: examples per step of a lane.
      epochs: passes over the data.
      done: epochs that led to ``states``, so that the next continue the order of the data.
      vectorize: whether one program trains all lanes at once; ``None`` for what suits the device.
      mesh: the devices to spread the lanes over, along all of its axes; ``None`` for one device.
        The states come back on its first device, or spread over it if one program had them all.
      chunk_size: lanes that one program trains at a time, on all devices together, at least one on
        each; ``None`` for as many as fit.
      memory_limit: bytes that the program may take on a device, by the estimate of
        :func:`memory_of`; ``None`` for what the device has free, if it tells.

    Returns:
      The states after the last epoch, and for every lane and epoch the mean loss over its steps.

    Raises:
      ValueError: as many keys as lanes are not given, a number below 1, images and labels that
        differ in number, or a lane that does not fit into the memory.
    """
    lanes = _check(keys, states, epochs, chunk_size)
    x, y = on_device(x, y)
    devices = list(x.devices()) if mesh is None else list(mesh.devices.flat)
    if vectorize is None:
        vectorize = not on_cpu(devices)
    job, numbers = Job(forward, tx, x, y, batch_size), range(done + 1, done + epochs + 1)
    if not vectorize:
        return in_turn(job, keys, states, numbers, None if mesh is None else devices)
    limit = _free(devices[0], (states, x, y)) if memory_limit is None else memory_limit
    each = -(-lanes // len(devices)) if chunk_size is None else max(1, chunk_size // len(devices))
    if chunk_size is None and limit is not None:
        each = lanes_that_fit(job, states, limit, each)
    size = len(devices) * _even(lanes, each, len(devices))
    return _side_by_side(job, keys, states, numbers, size, mesh)


def _check(keys: Keys, states: TrainState, epochs: int, chunk_size: int | None) -> int:
    lanes = lanes_of(states)
    if len(keys) != lanes:
        raise ValueError(
            f"train_many needs a key per lane, {lanes} of them, got {len(keys)}: use "
            "jax.random.split, or jax.vmap(jax.random.key) of the seeds."
        )
    if epochs < 1 or (chunk_size is not None and chunk_size < 1):
        raise ValueError(
            f"train_many needs epochs and chunk_size of at least 1, got epochs={epochs} and "
            f"chunk_size={chunk_size}."
        )
    return lanes


def _free(device: jax.Device, held: Any) -> int | None:
    """Bytes that a device has for the program, what it already holds of it included."""
    stats = device.memory_stats() or {}
    if "bytes_limit" not in stats:
        return None
    ours = sum(leaf.nbytes for leaf in jax.tree.leaves(held))
    return int(_SHARE * (stats["bytes_limit"] - stats.get("bytes_in_use", 0) + ours))


def _even(lanes: int, each: int, devices: int) -> int:
    """Lanes per device in as few equal chunks as there are with at most so many."""
    chunks = -(-lanes // (each * devices))
    return -(-lanes // (chunks * devices))


def _side_by_side(
    job: Job, keys: Keys, states: TrainState, numbers: Sequence[int], size: int, mesh: Mesh | None
) -> tuple[TrainState, Losses]:
    """Chunk by chunk, the lanes of a chunk in one program; one that is short repeats a lane."""
    lanes, home = len(keys), None
    if mesh is not None:
        # Types without a split, so that a caller may index the lanes of the result.
        mesh = Mesh(mesh.devices, mesh.axis_names, axis_types=(AxisType.Auto,) * mesh.devices.ndim)
        whole = NamedSharding(mesh, PartitionSpec())
        job = job._replace(x=jax.device_put(job.x, whole), y=jax.device_put(job.y, whole))
    if size == lanes:
        return _chunk(job, keys, states, numbers, mesh)
    if mesh is not None:
        home = mesh.devices.flat[0]
        keys, states = moved((keys, states), home)
    found = []
    for start in range(0, lanes, size):
        at = start + jnp.arange(size)
        some_keys, some = rows((keys, states), at)
        chunk, losses = _chunk(job, some_keys, some, numbers, mesh)
        states = with_rows(states, moved(chunk, home), at)
        found.append(moved(losses, home))
    return states, jnp.concatenate(found)[:lanes]


def _chunk(
    job: Job, keys: Keys, states: TrainState, numbers: Sequence[int], mesh: Mesh | None
) -> tuple[TrainState, Losses]:
    if mesh is not None:
        keys, states = moved((keys, states), NamedSharding(mesh, PartitionSpec(mesh.axis_names)))
    found = []
    for number in numbers:
        states, losses = compiled_epoch(
            job.forward,
            job.tx,
            job.batch_size,
            mesh,
            states,
            keys,
            job.x,
            job.y,
            jnp.asarray(number, jnp.int32),
        )
        found.append(losses)
    return states, jnp.stack(found, axis=1)
