"""Parts of a run: the factories that options name, and the parameters that options give."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from sgl_jax._util.docstrings import read_parameters
from sgl_jax.algorithms import ALGORITHMS
from sgl_jax.data import AUGMENTATIONS, DATASETS
from sgl_jax.models import MODELS
from sgl_jax.penalties import CONSTRAINTS, PENALTIES, Constraint
from sgl_jax.reparametrizations import REPARAMETRIZATIONS
from sgl_jax.runs._groupings import GROUPINGS
from sgl_jax.runs._lookup import look_up_factory, make_unknown_error
from sgl_jax.runs._settings import (
    Parameter,
    bind_settings,
    find_parameters,
    name_parts,
)
from sgl_jax.runs.optimizers import OPTIMIZERS, SCHEDULES


__all__ = [
    "KINDS",
    "OF_AN_ITERATE",
    "Kind",
    "Options",
    "Parts",
    "describe_parameters",
    "find_parts",
    "is_constraint",
    "is_regularized",
    "select_settings",
    "takes",
]

Options: TypeAlias = Mapping[str, Any]
"""The values of all options of a run, by name."""

Parts: TypeAlias = Mapping[str, Callable[..., Any]]
"""The factories that a run calls, by the option that names them."""


class Kind(NamedTuple):
    """A kind of part; the option of the same name chooses one.

    Attributes:
      noun: kind of the entries, for messages.
      catalogue: the entries by name.
      options: the options that give parameters, by parameter; ``None`` for what the run makes.
    """

    noun: str
    catalogue: Mapping[str, Callable[..., Any]]
    options: Mapping[str, str | None]


OF_AN_ITERATE = ("fista", "rda", "schedule_free")
"""Algorithms that keep an iterate of their own without a regularizer, too: no plain optimizers."""


def no_penalty() -> None:
    """No penalty: the entries, or the groups, are left alone."""


def no_reparametrization() -> None:
    """No reparametrization: the weights themselves are trained."""


_PENALTIES = {**PENALTIES, **CONSTRAINTS, "none": no_penalty}

_REPARAMETRIZATIONS = {**REPARAMETRIZATIONS, "none": no_reparametrization}

KINDS: dict[str, Kind] = {
    "penalty": Kind("penalty", _PENALTIES, {"lam": "lam"}),
    "group_penalty": Kind("penalty", _PENALTIES, {"lam": "group_lam"}),
    "groups": Kind("grouping", GROUPINGS, dict.fromkeys(("apply", "variables", "image"))),
    "algorithm": Kind(
        "algorithm",
        ALGORITHMS,
        {
            **dict.fromkeys(("learning_rate", "regularizer", "base")),
            "beta": "beta",
            "momentum": "momentum",
        },
    ),
    "reparametrization": Kind(
        "reparametrization", _REPARAMETRIZATIONS, {"lam": "lam", "grouping": None}
    ),
    "optimizer": Kind(
        "optimizer",
        OPTIMIZERS,
        {"learning_rate": None, "momentum": "momentum", "weight_decay": "weight_decay"},
    ),
    "schedule": Kind(
        "schedule",
        SCHEDULES,
        {"value": "learning_rate", "steps": None, "milestones": "milestones", "decay": "decay"},
    ),
    "model": Kind("model", MODELS, dict.fromkeys(("classes", "image_shape", "rngs"))),
    "augment": Kind("augmentation", AUGMENTATIONS, dict.fromkeys(("key", "images"))),
    "data": Kind(
        "data set",
        DATASETS,
        {
            "path": None,
            "root": "data_root",
            "download": "download",
            "image_shape": "image_shape",
        },
    ),
}
"""Every kind of part by its option."""

_PASSED = {name: kind.options for name, kind in KINDS.items()}


def find_parts(options: Options) -> Parts:
    """Finds the factories that a run calls, with the settings bound to them.

    Args:
      options: the values of all options.

    Raises:
      ValueError: an unknown name, or a setting that does not fit.
    """
    return bind_settings(options["settings"], _find_factories(options), _PASSED)


def select_settings(settings: Iterable[str], before: Options, after: Options) -> tuple[str, ...]:
    """Selects the settings of parts that a change of options leaves as they are.

    Args:
      settings: the settings before the change.
      before: the values of all options.
      after: the values of all options after the change.

    Returns:
      Them, each with the name of its part.

    Raises:
      ValueError: an unknown name, or a setting that does not fit.
    """
    parts, others = _find_factories(before), _find_factories(after)
    named = name_parts(settings, parts, _PASSED)
    return tuple(text for part, text in named if others.get(part) is parts[part])


def _find_factories(options: Options) -> Parts:
    """Finds the factories that a run calls, without settings."""
    parts = {
        name: look_up_factory(kind.noun, kind.catalogue, options[name])
        for name, kind in KINDS.items()
    }
    if not is_regularized(options) and takes(parts["algorithm"], "base"):
        parts["algorithm"] = _train_plainly
    absent = [name for name, is_absent in _ABSENT.items() if is_absent(options, parts)]
    return {name: make for name, make in parts.items() if name not in absent}


def is_regularized(options: Options) -> bool:
    """True if a run has a regularizer: it is not dense, and its weights are no others' product.

    Args:
      options: the values of all options.
    """
    return not options["dense"] and options["reparametrization"] == "none"


def is_constraint(make: Callable[..., Any]) -> bool:
    """True if a factory, perhaps with settings bound to it, is a constraint.

    Args:
      make: a class or function.
    """
    make = getattr(make, "func", make)
    return isinstance(make, type) and issubclass(make, Constraint)


@lru_cache(maxsize=4096)  # a config asks a thousand times
def takes(factory: Callable[..., Any], name: str) -> bool:
    """True if a factory has a parameter of this name.

    Args:
      factory: a class or function.
      name: name of the parameter.
    """
    return name in inspect.signature(factory).parameters


def describe_parameters(name: str) -> dict[str, list[tuple[str, str, str]]]:
    """Describes the parameters of a part: name, default or option, and description.

    Args:
      name: name of an entry of a catalogue.

    Returns:
      The parameters of every entry of that name, by the option that chooses it.

    Raises:
      ValueError: no catalogue has such an entry.
    """
    found = {part: kind.catalogue[name] for part, kind in KINDS.items() if name in kind.catalogue}
    if not found:
        names = {name for kind in KINDS.values() for name in kind.catalogue}
        raise make_unknown_error("entry", names, name)
    return {part: _describe(make, KINDS[part].options) for part, make in found.items()}


def _describe(
    make: Callable[..., Any], options: Mapping[str, str | None]
) -> list[tuple[str, str, str]]:
    made = [name for name, option in options.items() if option is None]
    says = read_parameters(make)
    return [
        (name, _show_source(parameter, options.get(name)), says.get(name, ""))
        for name, parameter in find_parameters(make, made).items()
    ]


def _show_source(parameter: Parameter, option: str | None) -> str:
    """Shows where the value of a parameter comes from: its option, or its default."""
    if option is not None:
        return f"--{option.replace('_', '-')}"
    return "" if parameter.default is inspect.Parameter.empty else str(parameter.default)


def _train_plainly(learning_rate: Any, regularizer: None, *, base: Callable[..., Any]) -> Any:
    """Trains without a regularizer, by the base optimizer alone."""
    del regularizer
    return base(learning_rate)


def _is_constrained_alone(options: Options, parts: Parts) -> bool:
    """True if single weights are constrained and no strength of groups is given."""
    return is_constraint(parts["penalty"]) and options["group_lam"] is None


_ABSENT: dict[str, Callable[[Options, Parts], bool]] = {
    "penalty": lambda options, parts: not is_regularized(options),
    "group_penalty": lambda options, parts: (
        not is_regularized(options) or _is_constrained_alone(options, parts)
    ),
    "reparametrization": lambda options, parts: options["dense"],
    "optimizer": lambda options, parts: not takes(parts["algorithm"], "base"),
}
"""Kinds of parts that a run may do without, and when it does."""
