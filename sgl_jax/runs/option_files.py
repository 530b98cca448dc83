"""Files with options of runs, in TOML."""

import dataclasses
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, TypeAlias, Union

from sgl_jax.runs._lookup import make_unknown_error
from sgl_jax.runs._needs import find_unused
from sgl_jax.runs.config import Config


__all__ = [
    "FIELDS",
    "LISTS",
    "Axes",
    "check_keys",
    "check_used",
    "find_presets",
    "load",
    "make_config",
    "read_values",
]

Axes: TypeAlias = dict[str, list[Any]]
"""Values of options by name, one or several of each."""

FIELDS = {field.name: field for field in dataclasses.fields(Config)}

LISTS = {name for name, field in FIELDS.items() if "tuple" in str(field.type)}
"""Options whose value is a list itself."""


def find_presets(package: str) -> dict[str, Traversable]:
    """Finds the files in the folder ``presets`` of a package, by name without ending.

    Args:
      package: dotted name of the package.
    """
    files = resources.files(package).joinpath("presets").iterdir()
    named = {file.name.removesuffix(".toml"): file for file in files}
    return {name: file for name, file in sorted(named.items()) if name != file.name}


def load(noun: str, presets: Mapping[str, Traversable], source: str) -> tuple[dict[str, Any], str]:
    """Loads a file.

    Args:
      noun: what it holds, for messages: ``"sweep"``.
      presets: the files that come with the package, by name.
      source: one of their names, or the path of a ``.toml`` file.

    Returns:
      The content, and the name of the file.

    Raises:
      OSError: there is no such file.
      ValueError: an unknown name, or the file is no TOML.
    """
    path = Path(source)
    if source in presets:
        text = presets[source].read_text(encoding="utf-8")
    elif path.suffix != ".toml":
        raise make_unknown_error(noun, presets, source, "or give the path of a .toml file")
    else:
        text = path.read_text(encoding="utf-8")
    try:
        return tomllib.loads(text), path.name
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"A {noun} needs a file in TOML, got '{error}' in {path}.") from error


def check_keys(found: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Refuses keys that are not known.

    Args:
      found: values by key.
      known: the keys.
      where: the place, for messages.

    Raises:
      ValueError: an unknown key.
    """
    unknown = next((key for key in found if key not in known), None)
    if unknown is not None:
        raise ValueError(f"In {where}: {make_unknown_error('key', known, unknown)}")


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


def make_config(values: Mapping[str, Any], where: str) -> Config:
    """Makes a config of values, in which options without an effect have their defaults.

    Args:
      values: values by option.
      where: the place, a sentence for messages.

    Raises:
      ValueError: values that do not fit.
    """
    try:
        config = Config.of(values).without_unused()
        config.check()
    except ValueError as error:
        raise ValueError(f"{error} ({where})") from error
    return config


def check_used(noun: str, where: str, names: Iterable[str], configs: Iterable[Config]) -> None:
    """Refuses options that have no effect on any of some configs.

    Args:
      noun: what the configs make up, for messages: ``"sweep"``.
      where: the place of an effect, for messages: ``"on one of its runs"``.
      names: names of options.
      configs: the configs.

    Raises:
      ValueError: an option has no effect.
    """
    unused = set(FIELDS).intersection(*(find_unused(vars(config)) for config in configs))
    for name in names:
        if name in unused:
            raise ValueError(
                f"A {noun} needs options that have an effect {where}, got {name}, which has none: "
                "leave it out."
            )


def _read_values(name: str, value: Any, where: str) -> list[Any]:
    several = isinstance(value, list)
    if name in LISTS:  # a list of lists
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
