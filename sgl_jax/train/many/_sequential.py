"""Training of many lanes one after the other, or as many at a time as there are devices."""

from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sgl_jax.data import batch_indices
from sgl_jax.train import TrainState, train_epoch
from sgl_jax.train._epoch import compiled_step
from sgl_jax.train.many._indexing import moved, rows, with_rows
from sgl_jax.train.many._program import Job, Keys, Losses


__all__ = ["in_turn", "on_cpu"]


def in_turn(
    job: Job,
    keys: Keys,
    states: TrainState,
    numbers: Sequence[int],
    devices: Sequence[jax.Device] | None,
) -> tuple[TrainState, Losses]:
    """One lane after the other, or as many at a time as there are devices."""
    places = devices or [None]
    keys, states = moved((keys, states), places[0])
    jobs = [job._replace(x=moved(job.x, place), y=moved(job.y, place)) for place in places]
    lanes, found = range(len(keys)), []
    singles = [
        moved(rows((keys, states), jnp.asarray(lane)), places[lane % len(places)]) for lane in lanes
    ]
    for start in lanes[:: len(places)]:
        group = singles[start : start + len(places)]
        group_keys, group_states = zip(*group, strict=True)
        trained, losses = _abreast(jobs[: len(group)], group_keys, group_states, numbers)
        singles[start : start + len(places)] = trained
        found += losses
    for lane in lanes:
        states = with_rows(states, moved(singles[lane], places[0]), jnp.asarray(lane))
    return states, jnp.stack(moved(found, places[0]))


def _abreast(
    jobs: Sequence[Job], keys: Sequence[Any], states: Sequence[TrainState], numbers: Sequence[int]
) -> tuple[list[TrainState], list[Array]]:
    """Trains single lanes, each on the device of its job."""
    states, found = list(states), []
    for number in numbers:
        folded = [jax.random.fold_in(key, number) for key in keys]
        states, losses = _epoch_abreast(jobs, folded, states)
        found.append(losses)
    return states, [jnp.stack(losses) for losses in zip(*found, strict=True)]


def _epoch_abreast(
    jobs: Sequence[Job], keys: Sequence[Any], states: list[TrainState]
) -> tuple[list[TrainState], list[Array]]:
    if len(jobs) == 1 or not on_cpu(jobs[0].x.devices()):
        found = [
            train_epoch(key, job.forward, job.tx, state, job.x, job.y, batch_size=job.batch_size)
            for job, key, state in zip(jobs, keys, states, strict=True)
        ]
        return [state for state, _ in found], [loss for _, loss in found]
    orders = [batch_indices(key, len(jobs[0].y), jobs[0].batch_size) for key in keys]
    totals = [jnp.zeros(()) for _ in jobs]
    # Step by step, since a device takes in only so many before the caller has to wait for it.
    for row in range(len(orders[0])):
        for at, (job, order) in enumerate(zip(jobs, orders, strict=True)):
            states[at], loss = compiled_step(
                job.forward, job.tx, None, states[at], job.x, job.y, order, row
            )
            totals[at] = totals[at] + loss
    return states, [total / len(orders[0]) for total in totals]


def on_cpu(devices: Iterable[jax.Device]) -> bool:
    """Whether one of the devices is a CPU."""
    return any(device.platform == "cpu" for device in devices)
