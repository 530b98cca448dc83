"""Builders of the objects that a Config names: network, groups, regularizer, optimizer."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import optax
from flax import nnx

from sgl_jax._util.typing import Params, ScalarOrSchedule
from sgl_jax.data import Dataset
from sgl_jax.groups import GroupingLike, by_neuron
from sgl_jax.penalties import L1
from sgl_jax.regularizers import Regularizer, RegularizerLike, SparseGroup
from sgl_jax.reparametrizations import Reparametrization
from sgl_jax.runs._constraining import constrain, find_shape
from sgl_jax.runs.config import Config, Strengths
from sgl_jax.runs.optimizers import bind_accepted, staircase
from sgl_jax.runs.parts import find_parts, is_regularized, takes
from sgl_jax.transforms import hold_zeros
from sgl_jax.transforms.schedules import warmup


__all__ = [
    "build_grouping",
    "build_model",
    "build_regularizer",
    "build_reparametrization",
    "build_transformation",
]

NEURONS = (by_neuron(), "sqrt_size")
"""The paper's groups and their weight."""


def build_model(config: Config, data: Dataset) -> nnx.Module:
    """Builds the network for a data set, with parameters drawn from the seed.

    Args:
      config: the config of the run.
      data: the data set, whose images the network is made for if it takes an ``image_shape``, and
        standardises if it takes ``mean`` and ``std``.

    Raises:
      ValueError: an unknown name, or something else than a network.
    """
    build = find_parts(vars(config))["model"]
    pixels = {"mean": data.mean, "std": data.std} if data.mean else {}
    accepted = bind_accepted(build, **pixels)
    if not pixels.keys() <= accepted.keywords.keys():
        raise ValueError(
            f"Images that are standardised need a model that takes mean= and std=, got "
            f"{config.model!r} with {config.data!r}: add --set data.normalization=none."
        )
    build = bind_accepted(accepted, image_shape=data.x_train.shape[1:])
    try:
        model = build(classes=data.classes, rngs=nnx.Rngs(config.seed))
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
    make = find_parts(vars(config))["groups"]
    grouping = bind_accepted(make, apply=apply, variables=variables, image=image)()
    if config.group_weight == "flops":
        return grouping, grouping.flops_weights(variables[0])
    return grouping, None if config.group_weight == "none" else config.group_weight


def build_transformation(
    config: Config,
    strengths: Strengths,
    steps: int,
    regularizer: RegularizerLike | None,
) -> optax.GradientTransformation:
    """Builds the optimizer of a run of ``steps`` steps an epoch.

    A number of steps that an algorithm takes, and no setting gives, is that of the epochs before
    the last ones on a fixed support.

    Args:
      config: the config of the run.
      strengths: the strengths in force.
      steps: steps of an epoch.
      regularizer: from :func:`build_regularizer`.

    Raises:
      ValueError: an unknown name, or parts that do not fit.
    """
    parts = find_parts(vars(config))
    milestones = [steps * epoch for epoch in config.milestones]
    total = steps * max(1, config.epochs - config.finish_epochs)
    schedule = bind_accepted(
        parts["schedule"],
        steps=total,
        milestones=milestones,
        decay=config.decay,
    )
    options = {"momentum": config.momentum, **_build_betas(config, strengths, milestones)}
    if "steps" not in getattr(parts["algorithm"], "keywords", {}):
        options["steps"] = total
    if "optimizer" in parts:
        options["base"] = bind_accepted(
            parts["optimizer"], momentum=config.momentum, weight_decay=config.weight_decay
        )
    make = bind_accepted(parts["algorithm"], **options)
    tx = make(schedule(config.learning_rate), regularizer)
    return optax.chain(tx, hold_zeros()) if config.hold_zeros else tx


def _build_betas(
    config: Config, strengths: Strengths, milestones: Sequence[int]
) -> dict[str, ScalarOrSchedule]:
    """Builds the couplings: of all kernels, or of convolutions and dense kernels apart."""
    if strengths.beta is None:
        return {}
    betas: dict[str, ScalarOrSchedule] = {"beta": strengths.beta}
    if config.beta_growth != 1 and milestones:
        betas["beta"] = staircase(strengths.beta, milestones, config.beta_growth)
        if config.beta_growth_on == "conv":
            betas["dense_beta"] = strengths.beta
    return betas


def build_regularizer(
    config: Config,
    strengths: Strengths,
    params: Params,
    steps: int,
    groups: tuple[GroupingLike, Any] = NEURONS,
) -> RegularizerLike | None:
    """Builds the penalties on entries and on groups, with strengths that may rise from zero.

    Args:
      config: the config of the run.
      strengths: the strengths in force.
      params: the trained parameters.
      steps: steps of an epoch.
      groups: grouping and weight, from :func:`build_grouping`.

    Returns:
      The regularizer; ``None`` for a run without one.

    Raises:
      ValueError: an unknown name, or parts that do not fit.
    """
    parts = find_parts(vars(config))

    def build(name: str, lam: float | None, **shape: Any) -> Any:
        if name not in parts:
            return None
        rises = lam is not None and config.lam_warmup
        rising = warmup(lam, steps * config.lam_warmup) if rises else lam
        make = bind_accepted(parts[name], lam=rising, **shape)
        _require_settings(name, getattr(config, name), make)
        return make()

    if not is_regularized(vars(config)):
        return None
    entry = build("penalty", strengths.lam, **find_shape(config, parts["penalty"]))
    group = build("group_penalty", strengths.group_lam)
    if entry is None and group is None:
        raise ValueError(
            "A run needs a penalty on entries or on groups, got none for both: choose one, or take "
            "the dense twin (dense)."
        )
    if entry is None:
        return Regularizer(group, *groups)
    if config.constrain != "groups":
        return constrain(config.constrain, entry, params)
    if group is not None and (strengths.group_lam or takes(parts["algorithm"], "base")):
        return SparseGroup(entry, group, *groups)
    # Without a group penalty the entries need no joint prox, which not every penalty has.
    return SparseGroup(entry, L1(0.0), *groups).resolved(params).entries_part


def build_reparametrization(
    config: Config, strengths: Strengths, grouping: GroupingLike
) -> Reparametrization | None:
    """Builds what the weights are drawn by, if they are no parameters themselves.

    Args:
      config: the config of the run.
      strengths: the strengths in force.
      grouping: the weights that are drawn together, from :func:`build_grouping`.

    Raises:
      ValueError: an unknown name, or a parameter out of its range.
    """
    parts = find_parts(vars(config))
    if "reparametrization" not in parts:
        return None
    return bind_accepted(parts["reparametrization"], lam=strengths.lam, grouping=grouping)()


def _require_settings(part: str, name: str, make: Callable[..., Any]) -> None:
    """Refuses a penalty with a parameter that has neither a value nor a default."""
    for parameter in inspect.signature(make).parameters.values():
        named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if named and parameter.default is parameter.empty:
            raise ValueError(
                f"{part}={name!r} needs a value of {parameter.name}, got none: add --set "
                f"{part}.{parameter.name}=VALUE."
            )
