"""Runs side by side, as lanes of one program."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from sgl_jax import train
from sgl_jax._util.signals import raise_if_stopped
from sgl_jax.runs._epoch import end_epoch
from sgl_jax.runs._run import Experiment, Run
from sgl_jax.runs._stages import begin_stages, copy_sparse_params
from sgl_jax.train.many import lane, stack, train_many


__all__ = ["are_quick", "train_lanes"]


def are_quick() -> bool:
    """True if the device trains many runs by one program more quickly than one after the other."""
    return jax.default_backend() != "cpu"


def train_lanes(runs: Mapping[str, Run]) -> Iterator[dict[str, Run]]:
    """Trains runs side by side, for as many epochs as one program trains them all.

    That may be none, as for a run alone, or with other data or augmentation; it ends where a
    network loses channels. Runs that are ahead wait for the others. A run that cannot go on, as one
    whose loss is no finite number, is left as it was before that epoch.

    Args:
      runs: the runs so far, by name; their states are consumed.

    Yields:
      The runs that have trained an epoch further, by name.

    Raises:
      ValueError: no strength sets all groups of a run with a budget to zero.
    """
    if len(runs) < 2 or not _have_same_data([run.experiment for run in runs.values()]):
        return
    runs = {name: begin_stages(run) for name, run in runs.items()}
    programs: dict[tuple, str] = {}
    while len({_find_program(run.experiment, programs) for run in runs.values()}) == 1:
        done = min(len(run.records) for run in runs.values())
        behind = {name: run for name, run in runs.items() if len(run.records) == done}
        if any(run.experiment.config.epochs == done for run in behind.values()):
            return
        trained = _train_epoch(behind)
        ahead = {name: run for name, run in runs.items() if name not in behind}
        runs = {**ahead, **trained}
        yield trained


def _train_epoch(runs: Mapping[str, Run]) -> dict[str, Run]:
    """Trains all runs for an epoch; those that cannot go on are left out."""
    raise_if_stopped()
    before = [copy_sparse_params(run) for run in runs.values()]
    first, *_ = runs.values()
    config, data, network = first.experiment.config, first.experiment.data, first.experiment.network
    states, losses = train_many(
        jnp.stack([jax.random.key(run.experiment.config.seed) for run in runs.values()]),
        network.forward,
        first.experiment.tx,
        stack([run.state for run in runs.values()]),
        jnp.asarray(data.x_train),
        jnp.asarray(data.y_train),
        batch_size=config.batch_size,
        done=len(first.records),
        options=network.options,
    )
    trained = {}
    for index, (name, run) in enumerate(runs.items()):
        try:
            loss = float(losses[index, 0])
            trained[name] = end_epoch(run, lane(states, index), loss, before[index])
        except (FloatingPointError, ValueError):
            continue
    return trained


def _find_program(experiment: Experiment, known: dict[tuple, str]) -> str:
    """Finds the fingerprint of the program of a step, whose input is the state."""
    network, tx, config = experiment.network, experiment.tx, experiment.config
    key = (network.forward, tx)
    if key not in known:
        batch = config.batch_size
        images = jax.ShapeDtypeStruct((batch, *experiment.image.shape[1:]), jnp.float32)
        labels = jax.ShapeDtypeStruct((batch,), jnp.int32)
        step = jax.jit(partial(train.train_step, network.forward, tx))
        text = step.lower(experiment.state, images, labels).as_text()
        known[key] = hashlib.sha256(text.encode()).hexdigest()
    return known[key]


def _have_same_data(experiments: Iterable[Experiment]) -> bool:
    """True if all runs see the same images, unchanged."""
    first, *others = experiments
    a = first.data
    return first.config.augment == "none" and all(
        other.config.augment == "none"
        and np.array_equal(a.x_train, other.data.x_train)
        and np.array_equal(a.y_train, other.data.y_train)
        for other in others
    )
