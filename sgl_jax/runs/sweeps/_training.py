"""The training of one run of a sweep, in stages if it has a recipe."""

import contextlib
import dataclasses
import itertools
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sgl_jax._util.signals import raise_if_stopped
from sgl_jax.compaction import Report
from sgl_jax.metrics import Storage
from sgl_jax.runs.config import Config
from sgl_jax.runs.costs import compact_network, make_predictor, measure_storage
from sgl_jax.runs.experiment import Experiment, Prepare, Run, check_stages, prepare, reseed
from sgl_jax.runs.folder import RunFolder
from sgl_jax.runs.lanes import train_lanes
from sgl_jax.runs.recipes import RecipeFolder
from sgl_jax.runs.records import Record
from sgl_jax.runs.sweeps._grid import Planned
from sgl_jax.train.placement import Placement


__all__ = [
    "Failure",
    "check_kinds",
    "list_lanes",
    "make_prepare",
    "train_planned",
    "train_side_by_side",
    "try_to_compact",
]


class Failure(NamedTuple):
    """A run that could not be trained to its end.

    Attributes:
      run: name of the run.
      error: the reason.
    """

    run: str
    error: Exception


def train_planned(
    path: Path, planned: Planned, on_epoch: Callable[[Record], None], prepare: Prepare
) -> tuple[Run, list[RunFolder]]:
    """Trains a run in its folder, to the end, from wherever it was interrupted.

    Args:
      path: path of the folder.
      planned: the run.
      on_epoch: called with the record of every epoch.
      prepare: makes the objects of a run without a recipe.

    Returns:
      The run, and the run folders of its stages, or its own.

    Raises:
      FloatingPointError: the loss is no finite number.
      OSError: the folder cannot be read or written.
      ValueError: parts that do not fit.
    """
    if not planned.recipe:
        folder = RunFolder(path)
        return folder.train(planned.config, "resume", on_epoch, prepare=prepare), [folder]
    stages, folders = planned.plan_stages(), RecipeFolder(path)
    ends = itertools.accumulate(config.epochs for config in stages.values())
    before = dict(zip(stages, [0, *ends], strict=False))

    def report(stage: str, record: Record) -> None:
        on_epoch(record._replace(epoch=before[stage] + record.epoch))

    run = folders.train(stages, "resume", report)
    return run, folders.list_stages(stages)


def make_prepare() -> Prepare:
    """Makes a function that prepares runs, of which neighbours may differ in their seed alone.

    Those share what is compiled, since they share network and optimizer.
    """
    last: dict[Config, Experiment] = {}

    def prepare_or_reseed(config: Config, placement: Placement | None) -> Experiment:
        key = dataclasses.replace(config, seed=0)
        if key in last:
            return reseed(last[key], config.seed)
        last.clear()
        last[key] = prepare(config, placement)
        return last[key]

    return prepare_or_reseed


def check_kinds(runs: dict[str, Planned]) -> None:
    """Prepares a run of each kind, so that parts that do not fit fail before the first epoch.

    Runs of a kind differ in their seed, strengths and other real numbers.

    Args:
      runs: the runs by name.

    Raises:
      ValueError: the parts of a kind do not fit.
    """
    kinds: dict[Any, tuple[str, Planned]] = {}
    for name, planned in runs.items():
        kinds.setdefault(_find_kind(planned), (name, planned))
    for name, planned in kinds.values():
        raise_if_stopped()
        try:
            *_, last = planned.plan_stages().values() if planned.recipe else [planned.config]
            check_stages(prepare(last))
        except ValueError as error:
            raise ValueError(f"{error} (In the sweep: {name}.)") from error


def _find_kind(planned: Planned) -> tuple:
    """Finds all of a run but its seed, strengths and other real numbers."""
    config = vars(planned.config) | {"seed": 0}
    return planned.recipe, *(value for value in config.values() if not isinstance(value, float))


def list_lanes(runs: Mapping[str, Planned], most: int) -> list[dict[str, Planned]]:
    """Lists the runs in pieces: neighbours of a kind, which one program may train, and others.

    Args:
      runs: the runs by name.
      most: runs of a piece at most.
    """
    pieces = []
    for (recipe, *_), neighbours in itertools.groupby(runs, lambda name: _find_kind(runs[name])):
        size = 1 if recipe else most
        names = list(neighbours)
        pieces += [names[start : start + size] for start in range(0, len(names), size)]
    return [{name: runs[name] for name in names} for names in pieces]


def train_side_by_side(
    folders: Mapping[str, RunFolder],
    planned: Mapping[str, Planned],
    on_epoch: Callable[[str, Record], None],
    prepare: Prepare,
) -> None:
    """Trains runs in their folders by one program, for as many epochs as that goes.

    Whatever stands in the way of a run is left to :func:`train_planned`, which goes on with it.

    Args:
      folders: the folders, by the name of the run.
      planned: the runs by name.
      on_epoch: called with name and record after every epoch of a run.
      prepare: makes the objects of a run.

    Raises:
      OSError: a folder cannot be read or written.
    """
    runs: dict[str, Run] = {}
    for name, folder in folders.items() if len(folders) > 1 else ():
        with contextlib.suppress(ValueError):
            runs[name] = folder.begin(planned[name].config, "resume", prepare=prepare)
    plans, began = {name: run.experiment.plan for name, run in runs.items()}, time.perf_counter()
    for trained in train_lanes(runs):
        seconds = (time.perf_counter() - began) / max(len(trained), 1)
        for name, run in trained.items():
            folders[name].write_epoch(run, seconds, plans[name])
            on_epoch(name, run.records[-1])
        plans |= {name: run.experiment.plan for name, run in trained.items()}
        began = time.perf_counter()


def try_to_compact(run: Run) -> tuple[Report | None, Storage | None]:
    """Compacts the network of a run.

    Args:
      run: the run, to its end.

    Returns:
      The report, ``None`` if it cannot be compacted, and its storage, ``None`` unless it can and
      has weights on levels.
    """
    try:
        found = compact_network(run)
    except ValueError:
        return None, None
    return found.report, measure_storage(make_predictor(run)[1], found.params)
