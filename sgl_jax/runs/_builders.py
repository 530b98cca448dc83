"""Builders of the objects that a Config names: data set, network, groups, optimizer."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optax
from flax import nnx

from sgl_jax._util.typing import Params, ScalarOrSchedule
from sgl_jax.algorithms import ALGORITHMS
from sgl_jax.compaction.channels import channel_groups
from sgl_jax.data import DATASETS, Dataset
from sgl_jax.groups import GroupingLike, by_neuron
from sgl_jax.models import MODELS
from sgl_jax.penalties import PENALTIES, Penalty
from sgl_jax.regularizers import RegularizerLike, SparseGroup
from sgl_jax.runs._lookup import look_up
from sgl_jax.runs.config import Config, Strengths
from sgl_jax.runs.optimizers import OPTIMIZERS, SCHEDULES, bind_accepted, staircase
from sgl_jax.transforms.schedules import warmup


__all__ = ["build_dataset", "build_grouping", "build_model", "build_transformation"]

NEURONS = (by_neuron(), "sqrt_size")
"""The paper's groups and their weight."""


def build_dataset(config: Config) -> Dataset:
    """Loads the data set; with ``holdout``, its training images alone, split in two.

    Raises:
      OSError: the data set cannot be found, read or fetched.
      ValueError: an unknown name, something else than a data set, or too many images to hold out.
    """
    load = look_up("data set", DATASETS, config.data)
    data = bind_accepted(load, root=config.data_root, download=config.download)()
    if not isinstance(data, Dataset):
        raise ValueError(
            f"A data set needs to be a function that returns a sgl_jax.data.Dataset, got "
            f"{type(data).__name__} from {config.data!r}."
        )
    return _hold_out(data, config.holdout) if config.holdout else data


def _hold_out(data: Dataset, count: int) -> Dataset:
    """Splits the training images: ``count`` of them, the same in every run, to test on."""
    total = len(data.y_train)
    if count >= total:
        raise ValueError(f"A run needs holdout < {total} training images, got holdout={count}.")
    order = np.random.default_rng(0).permutation(total)
    test, kept = order[:count], np.sort(order[count:])
    x, y = data.x_train, data.y_train
    return Dataset(x[kept], y[kept], x[test], y[test], data.classes)


def build_model(config: Config, classes: int) -> nnx.Module:
    """Builds the network, with parameters drawn from the seed.

    Raises:
      ValueError: an unknown name, or something else than a network.
    """
    build = look_up("model", MODELS, config.model)
    try:
        model = build(classes=classes, rngs=nnx.Rngs(config.seed))
    except TypeError as error:
        raise ValueError(
            f"A model needs to be built by classes= and rngs=, got {config.model!r}: {error}."
        ) from error
    if not isinstance(model, nnx.Module):
        raise ValueError(
            f"A model needs to be a flax.nnx.Module, got {type(model).__name__} from "
            f"{config.model!r}."
        )
    return model


def build_grouping(
    config: Config, apply: Callable[[Any, Any], Any], variables: tuple[Params, Any], image: Any
) -> tuple[GroupingLike, Any]:
    """Builds the grouping, and the weight of its groups.

    Args:
      config: the config of the run.
      apply: the network in use.
      variables: its trained parameters and its other arrays.
      image: shape and dtype of a batch of one image.

    Raises:
      ValueError: the network has no channels that could be removed.
    """
    if config.groups == "neurons" or config.dense:
        return NEURONS
    channels = channel_groups(apply, variables, image)
    flops = config.group_weight == "flops"
    return channels, channels.flops_weights(variables[0]) if flops else "sqrt_size"


def build_transformation(
    config: Config,
    strengths: Strengths,
    params: Params,
    steps: int,
    groups: tuple[GroupingLike, Any] = NEURONS,
) -> optax.GradientTransformation:
    """Builds the optimizer of a run of ``steps`` steps an epoch.

    Args:
      config: the config of the run.
      strengths: the strengths in force.
      params: the trained parameters.
      steps: steps of an epoch.
      groups: grouping and weight, from :func:`build_grouping`.

    Raises:
      ValueError: an unknown name, or parts that do not fit.
    """
    milestones = [steps * epoch for epoch in config.milestones]
    schedule = look_up("schedule", SCHEDULES, config.schedule)
    epochs = config.epochs - config.finish_epochs
    rate = schedule(config.learning_rate, steps * epochs, milestones, config.decay)
    algorithm = look_up("algorithm", ALGORITHMS, config.algorithm)
    optimizer = look_up("optimizer", OPTIMIZERS, config.optimizer)
    base = bind_accepted(optimizer, momentum=config.momentum, weight_decay=config.weight_decay)
    own = _has_own_optimizer(algorithm)
    if own and config.optimizer != Config.optimizer:
        raise ValueError(
            f"optimizer={config.optimizer!r} needs an algorithm with a base optimizer, got "
            f"{config.algorithm!r}, which is its own; leave it out, or take another algorithm."
        )
    if config.dense and not own:
        return base(rate)
    regularizer: RegularizerLike | None = None
    if not config.dense:
        regularizer = _build_sparse_group(config, strengths, steps, *groups)
        # Without a group lasso the entries need no joint prox, which not every penalty has.
        if own and not strengths.group_lam:
            regularizer = regularizer.resolved(params).entries_part
    betas = _build_betas(config, strengths, milestones)
    make = bind_accepted(algorithm, base=base, momentum=config.momentum, **betas)
    return make(rate, regularizer)


def _has_own_optimizer(algorithm: Any) -> bool:
    """True if an algorithm takes no base optimizer."""
    return "base" not in inspect.signature(algorithm).parameters


def _build_betas(
    config: Config, strengths: Strengths, milestones: Sequence[int]
) -> dict[str, ScalarOrSchedule]:
    """Builds the couplings: of all kernels, or of convolutions and dense kernels apart."""
    betas: dict[str, ScalarOrSchedule] = {"beta": strengths.beta}
    if config.beta_growth != 1 and milestones:
        betas["beta"] = staircase(strengths.beta, 0, milestones, config.beta_growth)
        if config.beta_growth_on == "conv":
            betas["dense_beta"] = strengths.beta
    return betas


def _build_sparse_group(
    config: Config, strengths: Strengths, steps: int, grouping: GroupingLike, weight: Any
) -> SparseGroup:
    """Builds the penalties on entries and on groups, with strengths that may rise from zero."""

    def rising(value: float) -> ScalarOrSchedule:
        return warmup(value, steps * config.lam_warmup) if config.lam_warmup else value

    entry = _build_penalty(config, rising(strengths.lam))
    group: Any = look_up("penalty", PENALTIES, config.group_penalty)
    return SparseGroup(entry, group(rising(strengths.group_lam)), grouping, weight)


def _build_penalty(config: Config, lam: ScalarOrSchedule) -> Penalty:
    """Builds the penalty on entries, with its shape parameter if one is given."""
    penalty: Any = look_up("penalty", PENALTIES, config.penalty)
    if config.shape is None:
        return penalty(lam=lam)
    names = [name for name in inspect.signature(penalty).parameters if name != "lam"]
    if len(names) != 1:
        raise ValueError(
            f"shape={config.shape} needs a penalty with one shape parameter, got "
            f"{config.penalty!r}, which has {', '.join(names) or 'none'}."
        )
    return penalty(lam=lam, **{names[0]: config.shape})
