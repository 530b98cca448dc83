"""The ``config.json`` of a run folder: the config, the strengths in force, and where it began."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sgl_jax._util.provenance import collect_provenance
from sgl_jax.runs._folders import explain_damage
from sgl_jax.runs.config import Config
from sgl_jax.runs.experiment import Experiment


__all__ = ["check_same_config", "describe", "read_config", "read_fields"]


_LISTS = {field.name for field in dataclasses.fields(Config) if isinstance(field.default, tuple)}
"""Fields that are always lists in JSON."""


def describe(experiment: Experiment) -> str:
    """Writes out the text of the file.

    Args:
      experiment: the run.
    """
    config, placement = experiment.config, experiment.placement
    divided_by = 1 if config.undivided else len(experiment.data.y_train)
    found = {
        "config": dataclasses.asdict(config),
        "strengths": {**experiment.strengths._asdict(), "divided_by": divided_by},
        "images": {
            "shape": experiment.image.shape[1:],
            "values": "float32 in [0, 1], bytes divided by 255",
            "classes": experiment.data.names or experiment.data.classes,
        },
        "placement": None if placement is None else placement.summary(),
        **collect_provenance(),
    }
    return json.dumps(found, indent=1) + "\n"


def read_config(path: Path) -> Config:
    """Reads the config from the file.

    Args:
      path: path of the file.

    Raises:
      OSError: the file is missing.
      ValueError: the file cannot be read.
    """
    with explain_damage("run", path, "sgl-jax train"):
        config = read_fields(json.loads(path.read_text(encoding="utf-8"))["config"])
    # Older versions wrote options that had no effect, as they were given.
    return config.without_unused()


def read_fields(found: Mapping[str, Any]) -> Config:
    """Makes a config from its fields as JSON has them.

    Args:
      found: values by field.

    Raises:
      TypeError: no field has such a name.
    """
    fields: dict[str, Any] = dict(found)
    for name, value in fields.items():
        is_list = name in _LISTS or isinstance(value, list)
        fields[name] = tuple(value) if is_list else value
    return Config(**fields)


def check_same_config(stored: Config, config: Config, path: Path) -> None:
    """Raises ``ValueError`` if two configs differ in a field that results depend on.

    Args:
      stored: the config that the run began with.
      config: the config that it is asked to go on with.
      path: path of the run folder.

    Raises:
      ValueError: a field differs.
    """
    for field in dataclasses.fields(Config):
        before, now = (getattr(each, field.name) for each in (stored, config))
        if field.compare and before != now:
            raise ValueError(
                f"A run that goes on needs the config it began with, got {field.name}={now} where "
                f"{path} has {before}: leave the options out, or choose another --name."
            )
