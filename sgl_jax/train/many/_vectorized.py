"""Training of many lanes side by side, chunk by chunk, a chunk in one program."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from sgl_jax.train import TrainState
from sgl_jax.train.many._indexing import move, put_lanes, take_lanes
from sgl_jax.train.many._program import Job, Keys, Losses, compiled_epoch


__all__ = ["train_vectorized"]


def train_vectorized(
    job: Job,
    keys: Keys,
    states: TrainState,
    epochs: Sequence[int],
    chunk_size: int,
    mesh: Mesh | None,
) -> tuple[TrainState, Losses]:
    """Trains the lanes chunk by chunk; a chunk that is short repeats its last lane.

    Args:
      job: the part of the training that all lanes share.
      keys: one per lane.
      states: states of all lanes.
      epochs: numbers of the epochs.
      chunk_size: lanes of a chunk, a multiple of the number of devices.
      mesh: the devices, or ``None`` for one.
    """
    lanes, home = len(keys), None
    if mesh is not None:
        # Types without a split, so that a caller may index the lanes of the result.
        mesh = Mesh(mesh.devices, mesh.axis_names, axis_types=(AxisType.Auto,) * mesh.devices.ndim)
        whole = NamedSharding(mesh, PartitionSpec())
        job = job._replace(x=jax.device_put(job.x, whole), y=jax.device_put(job.y, whole))
    if chunk_size == lanes:
        return _train_chunk(job, keys, states, epochs, mesh)
    if mesh is not None:
        home = mesh.devices.flat[0]
        keys, states = move((keys, states), home)
    found = []
    for start in range(0, lanes, chunk_size):
        at = start + jnp.arange(chunk_size)
        chunk_keys, chunk = take_lanes((keys, states), at)
        chunk, losses = _train_chunk(job, chunk_keys, chunk, epochs, mesh)
        states = put_lanes(states, move(chunk, home), at)
        found.append(move(losses, home))
    return states, jnp.concatenate(found)[:lanes]


def _train_chunk(
    job: Job, keys: Keys, states: TrainState, epochs: Sequence[int], mesh: Mesh | None
) -> tuple[TrainState, Losses]:
    """Trains the lanes of one chunk, spread over the mesh."""
    if mesh is not None:
        keys, states = move((keys, states), NamedSharding(mesh, PartitionSpec(mesh.axis_names)))
    found = []
    for epoch in epochs:
        number = jnp.asarray(epoch, jnp.int32)
        states, losses = compiled_epoch(
            *(job.forward, job.tx, job.batch_size, mesh, states, keys, job.x, job.y, number)
        )
        found.append(losses)
    return states, jnp.stack(found, axis=1)
