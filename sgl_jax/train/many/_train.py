"""Training of many lanes: side by side in one program, or one after the other."""

from collections.abc import Callable
from typing import Any

import optax
from jax.sharding import Mesh

from sgl_jax._util.compilation import NO_YNNPACK
from sgl_jax.train import Images, Labels, TrainState
from sgl_jax.train._images import put_on_device
from sgl_jax.train.many._lanes import count_lanes
from sgl_jax.train.many._memory import choose_chunk_size
from sgl_jax.train.many._program import Job, Keys, Losses
from sgl_jax.train.many._sequential import include_cpu, train_sequentially
from sgl_jax.train.many._vectorized import train_vectorized


__all__ = ["train_many"]


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
    options: str = NO_YNNPACK,
) -> tuple[TrainState, Losses]:
    """Trains every lane as if it were alone, on the same data in an order of its own.

    A lane goes through the steps of ``train_epoch(jax.random.fold_in(key, epoch), ...)``, epochs
    counted from 1. On a GPU or TPU one program takes each step in all lanes at once. On a CPU,
    where that slows convolutions down, the lanes take turns at the one compiled step of
    ``train_epoch``, and each is bit for bit its single run. Side by side, sums are rounded in
    another order, which Adam amplifies in weights whose gradients are no more than rounding errors.
    Either way the program is compiled once. ``states`` is consumed; its arrays are deleted.

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
      vectorize: if true, one program trains all lanes at once; ``None`` for what the device does
        best.
      mesh: the devices to spread the lanes over, along all of its axes; ``None`` for one device.
        The states come back on its first device, or spread over it if one program had them all.
      chunk_size: lanes that one program trains at a time, on all devices together, at least one on
        each; ``None`` for as many as fit.
      memory_limit: bytes that the program may take on a device, by the estimate of
        :func:`memory_of`, whatever ``chunk_size``; ``None`` for the free memory of the device, if
        it tells, and for no limit beside a ``chunk_size``.
      options: :attr:`sgl_jax.train.Network.options`, for lanes that take turns.

    Returns:
      The states after the last epoch, and for every lane and epoch the mean loss over its steps.

    Raises:
      ValueError: another number of keys than of lanes, a number below 1, images and labels that
        differ in number, or a lane that does not fit into the memory.
    """
    _check(keys, states, epochs, chunk_size)
    x, y = put_on_device(x, y)
    job, numbers = Job(forward, tx, x, y, batch_size, options), range(done + 1, done + epochs + 1)
    devices = list(x.devices()) if mesh is None else list(mesh.devices.flat)
    if vectorize is None:
        vectorize = not include_cpu(devices)
    if not vectorize:
        return train_sequentially(job, keys, states, numbers, None if mesh is None else devices)
    size = choose_chunk_size(job, states, devices, chunk_size, memory_limit)
    return train_vectorized(job, keys, states, numbers, size, mesh)


def _check(keys: Keys, states: TrainState, epochs: int, chunk_size: int | None) -> None:
    lanes = count_lanes(states)
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
