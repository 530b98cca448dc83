"""Sweeps as files: methods with their options, in TOML."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from sgl_jax.runs.option_files import (
    Axes,
    check_keys,
    check_used,
    find_presets,
    load,
    read_values,
)
from sgl_jax.runs.results import name_method
from sgl_jax.runs.sweeps._grid import Planned, expand


__all__ = ["PRESETS", "Sweep", "make_sweep", "read_sweep"]

PRESETS = find_presets("sgl_jax.runs.sweeps")
"""The files of the sweeps that come with the package, by name."""

KEYS = {"title", "common", "groups", "methods"}
METHOD_KEYS = {"group", "points", "recipe"}


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
    _check_used(given, runs)
    named = {n: Planned(name_method(vars(run.config)), run.config) for n, run in runs.items()}
    return Sweep("Grid", named, {})


def read_sweep(source: str, given: Axes, only: Collection[str] = ()) -> Sweep:
    """Reads a sweep from a file.

    Args:
      source: name of a preset, or path of a ``.toml`` file.
      given: options that replace those of all its methods.
      only: names of the methods that count, and of groups of them; all by default.

    Raises:
      OSError: there is no such file.
      ValueError: the file is no sweep or has no such method, or its values do not fit.
    """
    found, where = load("sweep", PRESETS, source)
    check_keys(found, KEYS, where)
    methods = found.get("methods")
    if not isinstance(methods, Mapping) or not methods:
        raise ValueError(f"A sweep needs a table [methods.NAME] at least, got none in {where}.")
    methods = _select(methods, only, where)
    common, groups = found.get("common", {}), found.get("groups", {})
    runs: dict[str, Planned] = {}
    for name, own in methods.items():
        shared = groups.get(own.get("group", ""), {})
        runs |= _read_method(name, common, {**shared, **own}, given, where)
    _check_used(given, runs)
    named = {name: own["group"] for name, own in methods.items() if "group" in own}
    return Sweep(found.get("title", source), runs, named)


def _select(methods: Mapping[str, Any], only: Collection[str], where: str) -> Mapping[str, Any]:
    """Selects methods by their names and groups."""
    if not only:
        return methods
    names = {name: {name, own.get("group", name)} for name, own in methods.items()}
    known = dict.fromkeys(each for both in names.values() for each in sorted(both))
    for unknown in only:
        if unknown not in known:
            raise ValueError(
                f"A sweep needs methods or groups that are in {where}, one of "
                f"{', '.join(known)}, got only={unknown!r}."
            )
    return {name: own for name, own in methods.items() if names[name] & set(only)}


def _read_method(
    name: str, common: Mapping[str, Any], options: Mapping[str, Any], given: Axes, where: str
) -> dict[str, Planned]:
    """Reads the runs of one method; its own options replace the common ones."""
    where = f"{where}, [methods.{name}]"
    own = {key: value for key, value in options.items() if key not in METHOD_KEYS}
    shared = {**read_values(common, where), **read_values(own, where)}
    points = [read_values(point, where) for point in options.get("points", [{}])]
    runs = expand(name, [{**shared, **point} for point in points], given)
    _check_used(set(own).union(*points) - set(given), runs)
    recipe = options.get("recipe", "")
    return {name: planned._replace(recipe=recipe) for name, planned in runs.items()}


def _check_used(names: Iterable[str], runs: Mapping[str, Planned]) -> None:
    """Refuses options that have no effect on any of the runs."""
    check_used("sweep", "on one of its runs", names, (each.config for each in runs.values()))
