"""Grids: configs of runs from options with one value or several."""

import dataclasses
import itertools
import math
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, Union

from sgl_jax.runs._lookup import make_unknown_error
from sgl_jax.runs._needs import find_unused
from sgl_jax.runs.config import Config


__all__ = ["MANY", "Axes", "Planned", "check_used", "expand", "read_values"]

Axes: TypeAlias = dict[str, list[Any]]
"""Values of options by name, one or several of each."""

FIELDS = {field.name: field for field in dataclasses.fields(Config)}

MANY = {name for name, field in FIELDS.items() if "tuple" in str(field.type)}
"""Options whose value is a list itself."""

LARGEST = 10_000
"""Runs of a sweep at most."""


class Planned(NamedTuple):
    """A run of a sweep that is to be trained.

    Attributes:
      method: name of its method, which its figures are collected under.
      config: its config.
    """

    method: str
    config: Config


def expand(method: str, points: Sequence[Axes], given: Axes) -> dict[str, Planned]:
    """Makes the runs of a method: every combination of the values of its options.

    An option without an effect on a run, as beta has none without a copy, has its default there;
    runs that are then the same are one.

    Args:
      method: name of the method.
      points: options of the method; those of one point belong together.
      given: options that replace those of all points.

    Returns:
      The runs by name, which tells them apart.

    Raises:
      ValueError: an unknown option or name, values that do not fit, too many runs, or none.
    """
    every = [{**point, **given} for point in points]
    count = sum(math.prod(map(len, axes.values())) for axes in every)
    if not 1 <= count <= LARGEST:
        raise ValueError(
            f"A sweep needs 1 to {LARGEST} runs of each method, got {count} of {method!r}: give "
            "every option a value at least, and fewer where there are too many."
        )
    told = _find_varied(every)
    chosen = itertools.chain.from_iterable(map(_combine, every))
    configs = dict.fromkeys(_make_config(method, each) for each in chosen)
    return {_name(method, config, told): Planned(method, config) for config in configs}


def check_used(names: Iterable[str], planned: Iterable[Planned]) -> None:
    """Raises ``ValueError`` if an option has no effect on any of the runs.

    Args:
      names: names of options.
      planned: the runs.
    """
    unused = set(FIELDS).intersection(*(find_unused(vars(each.config)) for each in planned))
    for name in names:
        if name in unused:
            raise ValueError(
                f"A sweep needs options that have an effect on one of its runs, got {name}, which "
                "has none: leave it out."
            )


def _find_varied(every: Iterable[Axes]) -> list[str]:
    """Finds the options that have more than one value, in the order of the config."""
    values: dict[str, list[Any]] = {}
    for axes in every:
        for name, options in axes.items():
            values.setdefault(name, []).extend(options)
    return [name for name in FIELDS if len({repr(value) for value in values.get(name, [])}) > 1]


def _combine(axes: Axes) -> Iterator[dict[str, Any]]:
    for values in itertools.product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def _make_config(method: str, chosen: Mapping[str, Any]) -> Config:
    """Makes the config of one combination."""
    try:
        config = Config.of(chosen).without_unused()
        config.check()
    except ValueError as error:
        shown = ", ".join(f"{name}={value}" for name, value in chosen.items())
        raise ValueError(f"{error} (In the sweep: {method}, with {shown}.)") from error
    return config


def _name(method: str, config: Config, told: Sequence[str]) -> str:
    """Names a run by its method and the values that tell it from the others."""
    unused = find_unused(vars(config))
    words = [f"{n}={_show(getattr(config, n))}" for n in told if n not in unused]
    return "/".join([method, ",".join(words)] if words else [method])


def _show(value: Any) -> str:
    """Shows a value as part of the name of a folder."""
    shown = "-".join(map(_show, value)) if isinstance(value, tuple) else f"{value}"
    shown = f"{value:g}" if isinstance(value, float) else shown
    return "".join(c if c.isalnum() or c in "-_.+" else "_" for c in shown)


def read_values(options: Mapping[str, Any], where: str) -> Axes:
    """Reads the values of options as they stand in a file, a single one or a list of several.

    Args:
      options: values by option.
      where: the place, for messages.

    Raises:
      ValueError: an unknown option, or a value that is of another type.
    """
    unknown = next((name for name in options if name not in FIELDS), None)
    if unknown is not None:
        raise ValueError(f"In {where}: {make_unknown_error('option', FIELDS, unknown)}")
    return {name: _read_values(name, value, where) for name, value in options.items()}


def _read_values(name: str, value: Any, where: str) -> list[Any]:
    several = isinstance(value, list)
    if name in MANY:  # a list of lists
        several = several and any(isinstance(each, list) for each in value)
    return [_convert(name, each, where) for each in (value if several else [value])]


def _convert(name: str, value: Any, where: str) -> Any:
    """Converts a value of a file to the type of its option."""
    kind: Any = FIELDS[name].type
    for one in _split(kind):
        fits, converted = _try(one, value)
        if fits:
            return converted
    shown = str(kind).replace("typing.", "") if typing.get_args(kind) else kind.__name__
    raise ValueError(f"In {where}: the option {name} needs a value of {shown}, got {value!r}.")


def _split(kind: Any) -> tuple[Any, ...]:
    """Lists the members of a union; a type that is none alone."""
    return typing.get_args(kind) if typing.get_origin(kind) in (Union, types.UnionType) else (kind,)


def _try(kind: Any, value: Any) -> tuple[bool, Any]:
    """Tries a type: true and the converted value if the value fits."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return value in inner, value
    if origin is tuple:
        return _try_tuple(inner, value)
    if kind is float and type(value) is int:
        return True, float(value)
    return type(value) is kind, value


def _try_tuple(inner: tuple[Any, ...], value: Any) -> tuple[bool, Any]:
    if not isinstance(value, list):
        return False, value
    kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else list(inner)
    if len(kinds) != len(value):
        return False, value
    tried = [_try(kind, each) for kind, each in zip(kinds, value, strict=True)]
    return all(fits for fits, _ in tried), tuple(each for _, each in tried)
