"""One training run in memory: a Config in, a Record per epoch out."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from sgl_jax import train
from sgl_jax._util.signals import raise_if_stopped
from sgl_jax._util.typing import Params
from sgl_jax.data import Dataset, batch_indices
from sgl_jax.metrics import live_groups, sparsity
from sgl_jax.runs._builders import (
    build_grouping,
    build_model,
    build_regularizer,
    build_reparametrization,
    build_transformation,
)
from sgl_jax.runs._data import build_augmentation, build_dataset
from sgl_jax.runs._epoch import end_epoch, measure
from sgl_jax.runs._initial import load_initial
from sgl_jax.runs._reparametrizing import draw_start, reparametrize
from sgl_jax.runs._run import Experiment, Run, get_sparse_params, take_images
from sgl_jax.runs._stages import (
    begin_stages,
    check_stages,
    copy_sparse_params,
    find_penalised,
)
from sgl_jax.runs.config import Config
from sgl_jax.runs.records import Record
from sgl_jax.train.placement import Placement


__all__ = [
    "Experiment",
    "Prepare",
    "Run",
    "begin_from",
    "check_stages",
    "find_penalised",
    "get_sparse_params",
    "measure",
    "prepare",
    "reseed",
    "run",
    "take_images",
    "train_epochs",
]

Prepare: TypeAlias = Callable[[Config, Placement | None], Experiment]
"""A function that makes the objects of a run."""


def prepare(config: Config, placement: Placement | None = None) -> Experiment:
    """Builds all objects of a run and traces one step, so that parts that do not fit fail here.

    Args:
      config: the config of the run.
      placement: the devices to train on, if many.

    Raises:
      ImportError: a package is missing that the data set or the weights to start from need.
      OSError: the data set cannot be found, read or fetched, or the weights not be found.
      ValueError: an unknown name, a value out of its range, or parts that do not fit.
    """
    config.check()
    if placement is not None:
        placement.check_batch(config.batch_size)
    data = build_dataset(config)
    count = len(data.y_train)
    order = jax.eval_shape(lambda: batch_indices(jax.random.key(0), count, config.batch_size))
    raise_if_stopped()
    model, network, params, rest = _build_network(config, data)
    strengths = config.strengths(count)
    image = jax.ShapeDtypeStruct((1, *data.x_train.shape[1:]), jnp.float32)
    grouping, weight = build_grouping(config, network.apply, (params, rest), image)
    raise_if_stopped()
    regularizer = build_regularizer(config, strengths, params, len(order), (grouping, weight))
    tx = build_transformation(config, strengths, len(order), regularizer)
    found = Experiment(
        config,
        strengths,
        data,
        model,
        network,
        network,
        tx,
        train.init_state(tx, params, rest),
        grouping.resolve(params),
        regularizer,
        build_augmentation(config),
        placement,
    )
    method = build_reparametrization(config, strengths, grouping)
    found = found if method is None else reparametrize(found, method)
    raise_if_stopped()
    _check_fit(found)
    return found


def _build_network(config: Config, data: Dataset) -> tuple[Any, train.Network, Params, Any]:
    """Builds the network of a run, as module, functions, parameters, and the rest of its arrays."""
    model = build_model(config, data)
    network, params, rest = train.split(model)
    if config.init_from is not None:
        layers = getattr(model, "pytorch_layers", {})
        params, rest = load_initial(config.init_from, params, rest, layers)
    return model, network, params, rest


def reseed(experiment: Experiment, seed: int) -> Experiment:
    """Makes the same run with another seed; what is compiled for one serves the other.

    Args:
      experiment: the run as it begins.
      seed: the seed.
    """
    config = dataclasses.replace(experiment.config, seed=seed)
    model, _, params, rest = _build_network(config, experiment.data)
    return begin_from(experiment._replace(config=config, model=model), params, rest)


def begin_from(experiment: Experiment, params: Params, rest: Any) -> Experiment:
    """Makes a run begin with other weights.

    Args:
      experiment: the run as it begins.
      params: the weights of its network.
      rest: the rest of the arrays of its network.
    """
    if experiment.method is not None:
        _, params, rest = draw_start(experiment, params, rest)
    return experiment._replace(state=train.init_state(experiment.tx, params, rest))


def train_epochs(start: Run) -> Iterator[Run]:
    """Trains epoch by epoch.

    Args:
      start: the run so far. Its state is consumed, and so is that of every run that is yielded,
        once the next is asked for.

    Yields:
      The run after each further epoch, with its state whole on one device of every process.

    Raises:
      FloatingPointError: the loss is no finite number.
      ValueError: dead channels cannot leave the network.
    """
    config, data, run = start.experiment.config, start.experiment.data, begin_stages(start)
    images, labels = jnp.asarray(data.x_train), jnp.asarray(data.y_train)
    if (placement := run.experiment.placement) is not None:
        images, labels = placement.copy((images, labels))
    for epoch in range(len(run.records) + 1, config.epochs + 1):
        experiment, before = run.experiment, copy_sparse_params(run)
        state, loss = train.train_epoch(
            jax.random.fold_in(jax.random.key(config.seed), epoch),
            experiment.network.forward,
            experiment.tx,
            run.state,
            images,
            labels,
            batch_size=config.batch_size,
            placement=placement,
            augment=experiment.augment,
            options=experiment.network.options,
        )
        run = end_epoch(run, state, float(loss), before)
        yield run


def run(config: Config, on_epoch: Callable[[Record], None] = lambda record: None) -> Run:
    """Trains one network in memory, to the end.

    Args:
      config: the config of the run.
      on_epoch: called with the record of each epoch.

    Raises:
      ValueError: an unknown name, or a value out of its range.
    """
    experiment = prepare(config)
    check_stages(experiment)
    found = start = Run(experiment, experiment.state, [])
    for found in train_epochs(start):
        on_epoch(found.records[-1])
    return found


def _check_fit(experiment: Experiment) -> None:
    """Traces a step and a measurement on shapes alone; refuses parts that do not fit."""
    network, tx, groups = experiment.network, experiment.tx, experiment.groups
    image = experiment.image

    def step(state, x, y):
        images = experiment.augment(jax.random.key(0), x)
        return train.train_step(network.forward, tx, state, images, y)

    def test(state, x):
        state = experiment.read(state)
        logits = network.apply((state.params, state.rest), x)
        return logits, sparsity(state.params, groups), live_groups(state.params, groups)

    try:
        jax.eval_shape(step, experiment.state, image, jax.ShapeDtypeStruct((1,), jnp.int32))
        jax.eval_shape(test, experiment.state, image)
    except TypeError as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"A network needs to take the images of its data set, got {experiment.config.model!r} "
            f"with images of shape {image.shape[1:]}: {reason}"
        ) from error
