"""Sweeps as files: methods with their options, in TOML."""

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from sgl_jax.runs._lookup import make_unknown_error
from sgl_jax.runs.results import name_method
from sgl_jax.runs.sweeps._grid import Axes, Planned, check_used, expand, read_values


__all__ = ["PRESETS", "Sweep", "make_sweep", "read_sweep"]

PRESETS: dict[str, Any] = {
    file.name.removesuffix(".toml"): file
    for file in sorted(
        resources.files("sgl_jax.runs.sweeps").joinpath("presets").iterdir(), key=lambda f: f.name
    )
    if file.name.endswith(".toml")
}
"""The files of the sweeps that come with the package, by name."""

KEYS = {"title", "common", "groups", "methods"}
METHOD_KEYS = {"group", "points"}


class Sweep(NamedTuple):
    """Runs that are compared.

    Attributes:
      title: the question that they answer, for tables and pages.
      runs: the runs by name.
      groups: the group of each method, such as ``paper`` or ``ours``, of those that have one.
    """

    title: str
    runs: dict[str, Planned]
    groups: dict[str, str]


def make_sweep(given: Axes) -> Sweep:
    """Makes a sweep of every combination of options; its methods are algorithm and penalty.

    Args:
      given: the values of each option, one or several.

    Raises:
      ValueError: values that do not fit, too many runs, or an option without effect.
    """
    runs = expand("grid", [{}], given)
    check_used(given, runs.values())
    named = {n: Planned(name_method(vars(run.config)), run.config) for n, run in runs.items()}
    return Sweep("Grid", named, {})


def read_sweep(source: str, given: Axes) -> Sweep:
    """Reads a sweep from a file.

    Args:
      source: name of a preset, or path of a ``.toml`` file.
      given: options that replace those of all its methods.

    Raises:
      OSError: there is no such file.
      ValueError: the file is no sweep, or its values do not fit.
    """
    found, where = _load(source)
    _check_keys(found, KEYS, where)
    methods = found.get("methods")
    if not isinstance(methods, Mapping) or not methods:
        raise ValueError(f"A sweep needs a table [methods.NAME] at least, got none in {where}.")
    common, groups = found.get("common", {}), found.get("groups", {})
    runs: dict[str, Planned] = {}
    for name, own in methods.items():
        shared = groups.get(own.get("group", ""), {})
        runs |= _read_method(name, common, {**shared, **own}, given, where)
    check_used(given, runs.values())
    named = {name: own["group"] for name, own in methods.items() if "group" in own}
    return Sweep(found.get("title", source), runs, named)


def _load(source: str) -> tuple[dict[str, Any], str]:
    """Loads the content of a file, and names the file."""
    path = Path(source)
    if source in PRESETS:
        text = PRESETS[source].read_text(encoding="utf-8")
    elif path.suffix != ".toml":
        raise make_unknown_error("preset", PRESETS, source, "or give the path of a .toml file")
    else:
        text = path.read_text(encoding="utf-8")
    try:
        return tomllib.loads(text), path.name
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"A sweep needs a file in TOML, got '{error}' in {path}.") from error


def _check_keys(found: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = next((key for key in found if key not in known), None)
    if unknown is not None:
        raise ValueError(f"In {where}: {make_unknown_error('key', known, unknown)}")


def _read_method(
    name: str, common: Mapping[str, Any], options: Mapping[str, Any], given: Axes, where: str
) -> dict[str, Planned]:
    """Reads the runs of one method; its own options replace the common ones."""
    where = f"{where}, [methods.{name}]"
    own = {key: value for key, value in options.items() if key not in METHOD_KEYS}
    shared = {**read_values(common, where), **read_values(own, where)}
    points = [read_values(point, where) for point in options.get("points", [{}])]
    runs = expand(name, [{**shared, **point} for point in points], given)
    check_used((set(own).union(*points)) - set(given), runs.values())
    return runs
