"""Options of trainings as they are typed: only those that were given have a value."""

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import tyro

from sgl_jax._util.docstrings import read_parameters
from sgl_jax.runs.config import Config
from sgl_jax.runs.option_files import LISTS, Axes


__all__ = ["UNSET", "Given", "GivenAxes", "drop_unset", "list_values"]

_SPELT = {"settings": "set"}
"""Options that are not spelt like their field."""


def _annotate(field: dataclasses.Field, says: str, several: bool = False) -> Any:
    """Makes the type of an option from a field of the config, with its help.

    Args:
      field: the field.
      says: its help.
      several: take several values, of what is no list and no flag.
    """
    kind: Any = field.type
    if field.name in _SPELT:
        kind = tyro.conf.UseAppendAction[kind]
    elif several and _is_axis(field):
        kind = tuple[kind, ...]
    argument = tyro.conf.arg(
        name=_SPELT.get(field.name), help=says, help_behavior_hint=f"(default: {field.default})"
    )
    return Annotated[kind, argument]


def _is_axis(field: dataclasses.Field) -> bool:
    """True if a sweep takes several values of an option on the command line."""
    return field.type is not bool and field.name not in LISTS | {"data_root"}


if TYPE_CHECKING:
    Given = GivenAxes = dict[str, Any]
else:
    _HELP = read_parameters(Config)
    Given, GivenAxes = (
        TypedDict(
            kind,
            {
                field.name: _annotate(field, _HELP[field.name], kind == "GivenAxes")
                for field in dataclasses.fields(Config)
            },
            total=False,
        )
        for kind in ("Given", "GivenAxes")
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


def list_values(given: GivenAxes) -> Axes:
    """Lists the values of the options of a sweep that were given."""
    axes = {field.name for field in dataclasses.fields(Config) if _is_axis(field)}
    return {n: list(v) if n in axes else [v] for n, v in drop_unset(given).items()}
