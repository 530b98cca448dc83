"""Training of many lanes one after the other, or as many at a time as there are devices."""

from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sgl_jax.data import batch_indices, keep
from sgl_jax.train import TrainState, train_epoch
from sgl_jax.train._epoch import compile_step
from sgl_jax.train.many._indexing import move, put_lanes, take_lanes
from sgl_jax.train.many._program import Job, Keys, Losses


__all__ = ["include_cpu", "train_sequentially"]


def train_sequentially(
    job: Job,
    keys: Keys,
    states: TrainState,
    epochs: Sequence[int],
    devices: Sequence[jax.Device] | None,
) -> tuple[TrainState, Losses]:
    """Trains groups of lanes one after the other, each lane of a group on a device of its own.

    Args:
      job: the part of the training that all lanes share.
      keys: one per lane.
      states: states of all lanes, in the end on the first device.
      epochs: numbers of the epochs.
      devices: the devices; ``None`` for the one on which everything is.
    """
    places = devices or [None]
    size, home = len(places), places[0]
    keys, states = move((keys, states), home)
    jobs = [job._replace(x=move(job.x, place), y=move(job.y, place)) for place in places]
    lanes = [
        move(take_lanes((keys, states), jnp.asarray(k)), places[k % size]) for k in range(len(keys))
    ]
    losses = []
    for start in range(0, len(lanes), size):
        group = slice(start, start + size)
        lanes[group], group_losses = _train_group(jobs, lanes[group], epochs)
        losses += group_losses
    for k, (_, state) in enumerate(lanes):
        states = put_lanes(states, move(state, home), jnp.asarray(k))
    return states, jnp.stack(move(losses, home))


Lane = tuple[Array, TrainState]
"""The key and the state of a single lane."""


def _train_group(
    jobs: Sequence[Job], group: Sequence[Lane], epochs: Sequence[int]
) -> tuple[list[Lane], list[Array]]:
    """Trains single lanes at the same time; returns them and the losses of each, by epoch."""
    jobs = jobs[: len(group)]
    keys, states = zip(*group, strict=True)
    interleave = len(jobs) > 1 and include_cpu(jobs[0].x.devices())
    train = _interleave_steps if interleave else _train_in_order
    history = []
    for epoch in epochs:
        epoch_keys = [jax.random.fold_in(key, epoch) for key in keys]
        states, losses = train(jobs, epoch_keys, states)
        history.append(losses)
    lanes = list(zip(keys, states, strict=True))
    return lanes, [jnp.stack(losses) for losses in zip(*history, strict=True)]


def _train_in_order(
    jobs: Sequence[Job], keys: Sequence[Array], states: Sequence[TrainState]
) -> tuple[Sequence[TrainState], Sequence[Array]]:
    """Trains each lane for an epoch; the devices overlap, as nothing waits for the one before."""
    found = [
        train_epoch(
            key,
            job.forward,
            job.tx,
            state,
            job.x,
            job.y,
            batch_size=job.batch_size,
            options=job.options,
        )
        for job, key, state in zip(jobs, keys, states, strict=True)
    ]
    states, losses = zip(*found, strict=True)
    return states, losses


def _interleave_steps(
    jobs: Sequence[Job], keys: Sequence[Array], states: Sequence[TrainState]
) -> tuple[Sequence[TrainState], Sequence[Array]]:
    """Trains each lane for an epoch, a step of every lane in turn.

    A CPU device takes in only so many steps before the caller has to wait for it: the others would
    stand idle if each epoch were dispatched as a whole.
    """
    states, totals = list(states), [jnp.zeros(()) for _ in jobs]
    orders = [batch_indices(key, len(jobs[0].y), jobs[0].batch_size) for key in keys]
    for row in range(len(orders[0])):
        for k, (job, order) in enumerate(zip(jobs, orders, strict=True)):
            states[k], loss = compile_step(job.options)(
                job.forward, job.tx, None, keep, states[k], keys[k], job.x, job.y, order, row
            )
            totals[k] = totals[k] + loss
    return states, [total / len(orders[0]) for total in totals]


def include_cpu(devices: Iterable[Any]) -> bool:
    """True if one of the devices is a CPU."""
    return any(device.platform == "cpu" for device in devices)
