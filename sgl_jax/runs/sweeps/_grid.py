"""Grids: configs of runs from options with one value or several."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sgl_jax.runs._needs import find_unused
from sgl_jax.runs.config import Config
from sgl_jax.runs.option_files import FIELDS, Axes, make_config
from sgl_jax.runs.recipes import read_recipe


__all__ = ["Planned", "expand"]

LARGEST = 10_000
"""Runs of a sweep at most."""


class Planned(NamedTuple):
    """A run of a sweep that is to be trained.

    Attributes:
      method: name of its method, which its figures are collected under.
      config: its config.
      recipe: name or path of the recipe by which it is trained; empty for none.
    """

    method: str
    config: Config
    recipe: str = ""

    def plan_stages(self) -> dict[str, Config]:
        """Makes the configs of the stages of its recipe.

        Raises:
          OSError: there is no such recipe.
          ValueError: options that do not fit.
        """
        given = {n: v for n, v in vars(self.config).items() if v != FIELDS[n].default}
        return read_recipe(self.recipe).plan(given)


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
    shown = ", ".join(f"{name}={value}" for name, value in chosen.items())
    return make_config(chosen, f"In the sweep: {method}, with {shown}.")


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
