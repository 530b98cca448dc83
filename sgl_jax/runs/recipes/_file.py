"""Recipes as files: stages with their options, in TOML."""

import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

from sgl_jax.runs.config import Config
from sgl_jax.runs.option_files import (
    FIELDS,
    check_keys,
    check_used,
    find_presets,
    load,
    make_config,
    read_values,
)


__all__ = ["RECIPES", "Recipe", "Stage", "read_recipe"]

RECIPES = find_presets("sgl_jax.runs.recipes")
"""The files of the recipes that come with the package, by name."""

WHOLE = {"data", "image_shape", "model", "init_from", "epochs", "seed", "holdout", "data_root"}
"""Options that are the same in all stages."""


class Stage(NamedTuple):
    """A stage of a recipe.

    Attributes:
      name: its name.
      share: its share of the epochs.
      options: values of options that hold in it.
      times: factors on the options of the run.
    """

    name: str
    share: float
    options: dict[str, Any]
    times: dict[str, float]


class Recipe(NamedTuple):
    """Stages that follow each other.

    Attributes:
      title: what the recipe does.
      stages: the stages; their shares sum to 1.
    """

    title: str
    stages: tuple[Stage, ...]

    def plan(self, given: Mapping[str, Any]) -> dict[str, Config]:
        """Makes the configs of the stages.

        Args:
          given: values of options that were given for the run; those of a stage go first.

        Returns:
          The configs by the name of their stage.

        Raises:
          ValueError: options that do not fit, or have no effect in any stage, or fewer epochs than
            stages.
        """
        epochs = self._share_epochs(Config.of(given).epochs)
        configs = {
            stage.name: _make_config(stage, given, number)
            for stage, number in zip(self.stages, epochs, strict=True)
        }
        check_used("recipe", "in one of its stages", given, configs.values())
        return configs

    def _share_epochs(self, total: int) -> list[int]:
        """Shares the epochs among the stages, one at least for each."""
        count = len(self.stages)
        if total < count:
            raise ValueError(
                f"A recipe of {count} stages needs as many epochs at least, got epochs={total}."
            )
        ends, passed = [0], 0.0
        for later, stage in zip(range(count - 1, -1, -1), self.stages, strict=True):
            passed += stage.share
            ends.append(min(max(round(passed * total), ends[-1] + 1), total - later))
        return [end - begin for begin, end in itertools.pairwise(ends)]


def _make_config(stage: Stage, given: Mapping[str, Any], epochs: int) -> Config:
    """Makes the config of a stage of some epochs."""
    whole = {**given, **stage.options}
    scaled = {
        name: factor * before
        for name, factor in stage.times.items()
        if (before := whole.get(name, FIELDS[name].default)) is not None
    }
    values = {**whole, **scaled, "epochs": epochs}
    return make_config(values, f"In the stage {stage.name!r} of the recipe.")


def read_recipe(source: str) -> Recipe:
    """Reads a recipe from a file.

    Args:
      source: name of a recipe that comes with the package, or path of a ``.toml`` file.

    Raises:
      OSError: there is no such file.
      ValueError: the file is no recipe, or its values do not fit.
    """
    found, where = load("recipe", RECIPES, source)
    check_keys(found, ("title", "stages"), where)
    given = found.get("stages")
    if not isinstance(given, list) or not given:
        raise ValueError(f"A recipe needs a table [[stages]] at least, got none in {where}.")
    stages = tuple(_read_stage(each, f"{where}, stage {k}") for k, each in enumerate(given, 1))
    total, names = sum(stage.share for stage in stages), {stage.name for stage in stages}
    if not abs(total - 1.0) < 1e-6 or len(names) < len(stages):
        raise ValueError(
            f"A recipe needs stages with names of their own and shares that sum to 1, got "
            f"{', '.join(f'{stage.name} {stage.share:g}' for stage in stages)} in {where}."
        )
    return Recipe(found.get("title", source), stages)


def _read_stage(found: Mapping[str, Any], where: str) -> Stage:
    own = {key: value for key, value in found.items() if key not in Stage._fields}
    check_keys(own, FIELDS.keys() - WHOLE, where)
    options = {name: values[0] for name, values in read_values(own, where).items()}
    times = {name: float(factor) for name, factor in found.get("times", {}).items()}
    check_keys(times, (n for n, field in FIELDS.items() if "float" in str(field.type)), where)
    share = found.get("share", 1.0)
    if not (isinstance(share, float | int) and 0 < share <= 1) or "name" not in found:
        raise ValueError(
            f"A stage needs a name and a share of the epochs between 0 and 1, got {found} in "
            f"{where}."
        )
    return Stage(str(found["name"]), float(share), options, times)
