"""Options of a training as they are typed: only those that were given have a value."""

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import tyro

from sgl_jax._util.docstrings import read_parameters
from sgl_jax.runs.config import Config


__all__ = ["UNSET", "Given", "drop_unset"]

_SPELT = {"settings": "set"}
"""Options that are not spelt like their field."""


def _annotate(field: dataclasses.Field, says: str) -> Any:
    """Makes the type of an option from a field of the config, with its help."""
    kind: Any = field.type
    if field.name in _SPELT:
        kind = tyro.conf.UseAppendAction[kind]
    argument = tyro.conf.arg(
        name=_SPELT.get(field.name), help=says, help_behavior_hint=f"(default: {field.default})"
    )
    return Annotated[kind, argument]


if TYPE_CHECKING:
    Given = dict[str, Any]
else:
    _HELP = read_parameters(Config)
    Given = TypedDict(
        "Given",
        {field.name: _annotate(field, _HELP[field.name]) for field in dataclasses.fields(Config)},
        total=False,
    )

UNSET: Given = {
    field.name: field.default
    for field in dataclasses.fields(Config)
    if field.type is bool or field.name in _SPELT
}
"""Values of flags, and of options that may be given several times, if they are not given."""


def drop_unset(given: Given) -> dict[str, Any]:
    """Drops what was not given from among flags and options that may be given several times."""
    return {name: value for name, value in given.items() if value != UNSET.get(name, ...)}
