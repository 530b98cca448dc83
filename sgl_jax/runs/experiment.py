"""One training run in memory: a Config in, a Record per epoch out."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from sgl_jax import train
from sgl_jax._util.typing import Params
from sgl_jax.data import Dataset, batch_indices
from sgl_jax.runs._builders import (
    build_dataset,
    build_grouping,
    build_model,
    build_transformation,
)
from sgl_jax.runs.config import Config, Strengths
from sgl_jax.runs.records import Record, count_layers, measure_shares
from sgl_jax.train.placement import Placement, gathered
from sgl_jax.transforms import sparse_params, splitting_gap


__all__ = ["Experiment", "Run", "get_sparse_params", "measure", "prepare", "run", "train_epochs"]


class Experiment(NamedTuple):
    """A run that is ready to start: the objects that its config names, checked.

    Attributes:
      config: the config.
      strengths: the strengths in force, undivided.
      data: the images to train and to test on.
      network: the model as functions.
      tx: the optimizer.
      state: the state before the first step.
      placement: the devices to train on, if many.
    """

    config: Config
    strengths: Strengths
    data: Dataset
    network: train.Network
    tx: optax.GradientTransformation
    state: train.TrainState
    placement: Placement | None = None


class Run(NamedTuple):
    """A run as far as it has come.

    Attributes:
      experiment: its objects.
      state: the state after the newest epoch.
      records: the records of all epochs so far.
    """

    experiment: Experiment
    state: train.TrainState
    records: list[Record]


def prepare(config: Config, placement: Placement | None = None) -> Experiment:
    """Builds all objects of a run and traces one step, so that parts that do not fit fail here.

    Args:
      config: the config of the run.
      placement: the devices to train on, if many.

    Raises:
      ImportError: a package is missing that the data set needs.
      OSError: the data set cannot be found, read or fetched.
      ValueError: an unknown name, a value out of its range, or parts that do not fit.
    """
    config.check()
    if placement is not None:
        placement.check_batch(config.batch_size)
    data = build_dataset(config)
    count = len(data.y_train)
    order = jax.eval_shape(lambda: batch_indices(jax.random.key(0), count, config.batch_size))
    network, params, rest = train.split(build_model(config, data.classes))
    strengths = config.strengths(count)
    image = jax.ShapeDtypeStruct((1, *data.x_train.shape[1:]), jnp.float32)
    groups = build_grouping(config, network.apply, (params, rest), image)
    tx = build_transformation(config, strengths, params, len(order), groups)
    state = train.init_state(tx, params, rest)
    _check_step(config, network, tx, state, image)
    return Experiment(config, strengths, data, network, tx, state, placement)


def train_epochs(
    experiment: Experiment, state: train.TrainState | None = None, done: int = 0
) -> Iterator[tuple[train.TrainState, Record]]:
    """Trains epoch by epoch.

    Args:
      experiment: the run.
      state: the state to go on from; by default that before the first step. It is consumed, and so
        is every state that is yielded, once the next is asked for.
      done: epochs that led to ``state``.

    Yields:
      The state after each further epoch, whole on one device of every process, and its record.

    Raises:
      FloatingPointError: the loss is no finite number.
    """
    config, data = experiment.config, experiment.data
    state = experiment.state if state is None else state
    images, labels = jnp.asarray(data.x_train), jnp.asarray(data.y_train)
    forward, tx, placement = experiment.network.forward, experiment.tx, experiment.placement
    if placement is not None:
        images, labels = placement.copy((images, labels))
    for epoch in range(done + 1, config.epochs + 1):
        key = jax.random.fold_in(jax.random.key(config.seed), epoch)
        state, loss = train.train_epoch(
            key,
            forward,
            tx,
            state,
            images,
            labels,
            batch_size=config.batch_size,
            placement=placement,
        )
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"Training needs a finite loss, got {float(loss)} in epoch {epoch}: lower the "
                f"learning rate (now {config.learning_rate})."
            )
        whole = gathered(state)
        yield whole, measure(experiment, whole, epoch, float(loss))


def run(config: Config, on_epoch: Callable[[Record], None] = lambda record: None) -> Run:
    """Trains one network in memory, to the end.

    Args:
      config: the config of the run.
      on_epoch: called with the record of each epoch.

    Raises:
      ValueError: an unknown name, or a value out of its range.
    """
    experiment = prepare(config)
    found = Run(experiment, experiment.state, [])
    for state, record in train_epochs(experiment):
        found = Run(experiment, state, [*found.records, record])
        on_epoch(record)
    return found


def measure(experiment: Experiment, state: train.TrainState, epoch: int, loss: float) -> Record:
    """Measures errors on the test images and sparsity; returns the record of an epoch."""
    config, data, network = experiment.config, experiment.data, experiment.network

    def test(params: Params) -> train.Evaluation:
        variables, where = (params, state.rest), experiment.placement
        return train.evaluate(network.apply, variables, data.x_test, data.y_test, placement=where)

    sparse = get_sparse_params(config, state)
    gap = 0.0 if config.dense else float(splitting_gap(state.opt_state, state.params))
    tested, shares = test(state.params), measure_shares(state.params)
    return Record(
        epoch,
        loss,
        tested.error,
        tested.loss,
        test(sparse).error if gap else tested.error,
        gap,
        measure_shares(sparse) if gap else shares,
        shares,
        count_layers(sparse),
    )


def get_sparse_params(config: Config, state: train.TrainState) -> Params:
    """Reads the parameters with their exact zeros; those of a dense twin as they are."""
    return state.params if config.dense else sparse_params(state.opt_state, state.params)


def _check_step(
    config: Config,
    network: train.Network,
    tx: optax.GradientTransformation,
    state: train.TrainState,
    image: jax.ShapeDtypeStruct,
) -> None:
    """Traces one step on shapes alone; raises ``ValueError`` if the parts do not fit."""

    def step(state, x, y):
        return train.train_step(network.forward, tx, state, x, y)

    try:
        jax.eval_shape(step, state, image, jax.ShapeDtypeStruct((1,), jnp.int32))
    except TypeError as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"A network needs to take the images of its data set, got {config.model!r} with "
            f"images of shape {image.shape[1:]}: {reason}"
        ) from error
