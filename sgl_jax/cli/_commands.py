"""The commands of the command line, as functions of the typed options."""

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console

from sgl_jax.cli._catalogues import tabulate_catalogues, tabulate_parameters
from sgl_jax.cli._demo import demo
from sgl_jax.cli._names import name_kind
from sgl_jax.cli._progress import show_messages
from sgl_jax.cli._report import report
from sgl_jax.cli._sweep import sweep
from sgl_jax.cli._tables import (
    tabulate_compaction,
    tabulate_costs,
    tabulate_records,
    tabulate_storage,
)
from sgl_jax.cli._train import train
from sgl_jax.compaction.artifacts import EXPORTERS, check_packages
from sgl_jax.runs.archives import evaluate_archive
from sgl_jax.runs.compaction import CompactionResult, compact_run, is_compacted
from sgl_jax.runs.config import Config
from sgl_jax.runs.experiment import Run, measure, prepare
from sgl_jax.runs.folder import RunFolder
from sgl_jax.runs.recipes import find_run_folder


__all__ = ["COMMANDS", "compact", "evaluate", "list_catalogues", "train"]

LONGEST_LINE = 1000
"""Columns of a table that goes to no terminal; it takes no more than it needs."""

Format = Literal[*EXPORTERS]  # pyrefly: ignore


def evaluate(
    run: tyro.conf.Positional[Path],
    data: str | None = None,
    model: str | None = None,
    data_root: str | None = None,
    download: bool = False,
) -> None:
    """Tests a trained network again, from its checkpoint, and the compacted one, if there is one.

    Args:
      run: a run folder, runs/NAME, or the archive of a network, FILE.sgl.
      data: data set to test an archive on; digits without it.
      model: network that an archive is of, whatever its widths; lenet5 without it.
      data_root: folder of the data sets, if it is not the one the run was trained with.
      download: fetch the files of the data set that are missing.
    """
    given = {"data": data, "model": model, "data_root": data_root, "download": download}
    if run.is_file():
        _evaluate_archive(run, {name: value for name, value in given.items() if value is not None})
        return
    if data or model:
        raise ValueError(
            f"--data and --model need an archive, FILE.sgl, got {run}: leave them out, as a run "
            "folder has its own."
        )
    console, costs = Console(), []
    with show_messages(console):
        folder, trained = _load(run, data_root, download)
        experiment, state, records, _ = trained
        record = measure(experiment, state, records[-1].epoch, records[-1].loss)
        if is_compacted(folder):
            found = compact_run(folder, trained)
            costs.append(tabulate_costs({"full": found.full, "compact": found.compact}))
            costs.append(tabulate_storage(found.storage))
    config = experiment.config
    console.print(tabulate_records({name_kind(config): record}, config.groups), *costs)


def _evaluate_archive(path: Path, given: Mapping[str, Any]) -> None:
    console = Console()
    with show_messages(console):
        error, storage = evaluate_archive(path, Config.of(given))
    console.print(f"test error {error:.2%}", tabulate_storage(storage), sep="\n")


def compact(
    run: tyro.conf.Positional[Path],
    export: Annotated[tuple[Format, ...], tyro.conf.arg(help_behavior_hint="(default: none)")] = (),
    fastest: bool = False,
    bias_bits: int | None = None,
    data_root: str | None = None,
    download: bool = False,
) -> None:
    """Removes the dead channels of a trained network, and saves what is left in RUN/compact.

    Args:
      run: the folder of a finished run, runs/NAME.
      export: formats to export to, in the same folder.
      fastest: round widths up to those with which a batch of 256 is quickest on this device, by
        measurement; one that is not quicker stays.
      bias_bits: round the biases of what is left to levels of so many bits, sign included, as
        networks on levels that are exported to sgl want it.
      data_root: folder of the data sets, if it is not the one the run was trained with.
      download: fetch the files of the data set that are missing.
    """
    console = Console()
    with show_messages(console):
        found = _compact(run, export, (fastest, bias_bits), data_root, download)
    costs = tabulate_costs({"full": found.full, "compact": found.compact})
    tables = [tabulate_compaction(found.report), costs, tabulate_storage(found.storage)]
    console.print(*tables, *map(str, found.files), sep="\n")


def _compact(
    run: Path,
    formats: Sequence[str],
    how: tuple[bool, int | None],
    data_root: str | None,
    download: bool,
) -> CompactionResult:
    """Compacts a finished run anew, rounded to the fastest widths and to bits of biases."""
    check_packages(formats)
    folder, trained = _load(run, data_root, download)
    done, epochs = trained.records[-1].epoch, trained.experiment.config.epochs
    if done < epochs:
        raise ValueError(
            f"A compaction needs a finished run, got epoch {done} of {epochs} in {run}: go on with "
            "it by --resume."
        )
    return compact_run(folder, trained, formats, True, *how)


def list_catalogues(name: tyro.conf.Positional[str | None] = None) -> None:
    """Lists the names to choose from, penalties, algorithms, models, data sets, and more.

    Args:
      name: one of these names, to list its parameters, with their defaults or options and ranges.
    """
    # Programs that read a pipe take a line per entry.
    console = Console(width=None if sys.stdout.isatty() else LONGEST_LINE)
    console.print(tabulate_catalogues() if name is None else tabulate_parameters(name))


COMMANDS: dict[str, Callable[..., None]] = {
    "train": train,
    "evaluate": evaluate,
    "compact": compact,
    "sweep": sweep,
    "report": report,
    "list": list_catalogues,
    "demo": demo,
}


def _load(path: Path, data_root: str | None, download: bool) -> tuple[RunFolder, Run]:
    """Loads the run in a folder."""
    folder = find_run_folder(path)
    config = folder.read_config()
    root = data_root or config.data_root
    changed = {"data_root": root, "download": download, "init_from": None}
    experiment = prepare(dataclasses.replace(config, **changed))
    return folder, folder.read_run(experiment)
