"""Settings: parameters of the parts of a run, as ``NAME=VALUE`` or ``PART.NAME=VALUE``."""

import ast
import inspect
import math
import types
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias, Union, get_args, get_origin


__all__ = ["Parameter", "bind_settings", "find_parameters", "name_parts"]

Factory: TypeAlias = Callable[..., Any]

Passed: TypeAlias = Mapping[str, Iterable[str]]
"""For every part the parameters that something else than a setting gives."""

Known: TypeAlias = "Mapping[str, Mapping[str, Parameter]]"
"""For every part the parameters that a setting may give."""


class Parameter(NamedTuple):
    """A parameter of a factory.

    Attributes:
      name: its name.
      default: its default, ``inspect.Parameter.empty`` if it has none.
      kinds: types of values that it takes, and the words that it takes.
    """

    name: str
    default: Any
    kinds: tuple[Any, ...]

    def read(self, text: str) -> Any:
        """Reads a value from text.

        Raises:
          ValueError: the text is of another type.
        """
        for kind, reader in _READERS.items():
            if kind in self.kinds:
                try:
                    return reader.read(text)
                except (ValueError, SyntaxError):
                    continue
        if text in self.kinds:
            return text
        words = [_READERS[kind].words if kind in _READERS else repr(kind) for kind in self.kinds]
        raise ValueError(f"{self.name} needs {' or '.join(words)}, got {text!r}.")


def find_parameters(factory: Factory, passed: Iterable[str] = ()) -> dict[str, Parameter]:
    """Finds the parameters of a factory that text can give.

    Args:
      factory: a class or function.
      passed: parameters that something else gives.
    """
    found = {}
    for name, parameter in _read_signature(factory).parameters.items():
        named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        kinds = _find_kinds(parameter.annotation, parameter.default)
        if named and kinds and name not in passed:
            found[name] = Parameter(name, parameter.default, kinds)
    return found


def bind_settings(
    settings: Iterable[str], parts: Mapping[str, Factory], passed: Passed
) -> dict[str, Factory]:
    """Binds settings to the factories that have parameters of their names.

    Args:
      settings: texts ``NAME=VALUE`` or ``PART.NAME=VALUE``.
      parts: the factories by part.
      passed: for every part the parameters that something else gives.

    Raises:
      ValueError: a text of another form, a name that no part has or that several have, a value of
        another type, or a name that is given twice.
    """
    known = {part: find_parameters(make, passed[part]) for part, make in parts.items()}
    bound: dict[str, dict[str, Any]] = {part: {} for part in parts}
    for setting in settings:
        part, parameter, text = _find_parameter(setting, known)
        if parameter.name in bound[part]:
            raise ValueError(f"A setting needs to be given once, got {parameter.name} twice.")
        bound[part][parameter.name] = parameter.read(text)
    return {name: partial(make, **bound[name]) for name, make in parts.items()}


def name_parts(
    settings: Iterable[str], parts: Mapping[str, Factory], passed: Passed
) -> list[tuple[str, str]]:
    """Pairs the name of the part of every setting with the setting as ``PART.NAME=VALUE``.

    Arguments and errors as of :func:`bind_settings`.
    """
    known = {part: find_parameters(make, passed[part]) for part, make in parts.items()}
    found = [_find_parameter(setting, known) for setting in settings]
    return [(part, f"{part}.{parameter.name}={text}") for part, parameter, text in found]


def _find_holders(setting: str, known: Known) -> list[str]:
    """Finds the parts that have the parameter of a setting."""
    part, _, name = setting.partition("=")[0].rpartition(".")
    return [each for each in known if name in known[each] and part in ("", each)]


def _find_parameter(setting: str, known: Known) -> tuple[str, Parameter, str]:
    """Finds the part and the parameter that a setting names, and its value as text."""
    key, sign, text = setting.partition("=")
    name = key.rpartition(".")[2]
    if not sign or not name:
        raise ValueError(
            f"A setting needs the form NAME=VALUE or PART.NAME=VALUE, got {setting!r}."
        )
    holders = _find_holders(setting, known)
    if not holders:
        there = [f"{part}.{name}" for part, names in known.items() for name in names]
        raise ValueError(
            f"A setting needs a parameter of a part of the run, got {key!r}: choose from "
            f"{', '.join(there)}."
        )
    if len(holders) > 1:
        ways = " or ".join(f"{part}.{name}={text}" for part in holders)
        raise ValueError(f"A setting needs to name one parameter, got {setting!r}: write {ways}.")
    return holders[0], known[holders[0]][name], text


def _read_signature(factory: Factory) -> inspect.Signature:
    """Reads a signature, with annotations as types where they can be found."""
    # The metaclass of a class may take any arguments, as that of nnx.Module does.
    make = partial(factory.__init__, None) if isinstance(factory, type) else factory
    try:
        return inspect.signature(make, eval_str=True)
    except (NameError, SyntaxError, TypeError):
        return inspect.signature(make)


def _find_kinds(annotation: Any, default: Any) -> tuple[Any, ...]:
    """Finds the types and words that text can give for an annotation."""
    if annotation is inspect.Parameter.empty:
        annotation = str if default is inspect.Parameter.empty else type(default)
    if get_origin(annotation) in (Union, types.UnionType):
        members = [_find_kinds(member, default) for member in get_args(annotation)]
        kinds = dict.fromkeys(kind for kinds in members for kind in kinds)
        # An array-like number may be a bool, which nobody means by one.
        return tuple(kind for kind in kinds if kind is not bool or float not in kinds)
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    kind = get_origin(annotation) or annotation
    return (kind,) if kind in _READERS else ()


def _read_bool(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _read_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _read_tuple(text: str) -> tuple[Any, ...]:
    found = ast.literal_eval(text)
    return tuple(found) if isinstance(found, tuple | list) else (found,)


class _Reader(NamedTuple):
    """A reader of values from text, and what it reads in words."""

    words: str
    read: Callable[[str], Any]


_READERS: dict[type, _Reader] = {
    int: _Reader("a whole number", int),
    float: _Reader("a number", _read_float),
    bool: _Reader("true or false", _read_bool),
    tuple: _Reader("numbers with commas between them", _read_tuple),
    str: _Reader("text", str),
}
"""Readers of values by type, tried in this order where a parameter takes several."""
