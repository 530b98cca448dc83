"""The commands of the command line, as functions of the typed options."""

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.text import Text

from sgl_jax._util.signals import raise_if_stopped
from sgl_jax.cli._catalogues import tabulate_catalogues, tabulate_parameters
from sgl_jax.cli._demo import demo
from sgl_jax.cli._given import UNSET, Given, drop_unset
from sgl_jax.cli._names import check_name, make_name, name_method
from sgl_jax.cli._progress import add_bar, hint_at_resuming, make_bars, show_messages
from sgl_jax.cli._report import report
from sgl_jax.cli._sweep import sweep
from sgl_jax.cli._tables import (
    PENALISED,
    tabulate_compaction,
    tabulate_costs,
    tabulate_records,
)
from sgl_jax.compaction.artifacts import EXPORTERS, check_packages
from sgl_jax.runs.compaction import CompactionResult, compact_run, is_compacted
from sgl_jax.runs.config import Config
from sgl_jax.runs.experiment import Run, find_penalised, measure, prepare
from sgl_jax.runs.folder import Mode, RunFolder
from sgl_jax.runs.launch import Launch
from sgl_jax.train.processes import is_first_process, report_lost_process


__all__ = ["COMMANDS", "compact", "evaluate", "list_catalogues", "train"]

LONGEST_LINE = 1000
"""Columns of a table that goes to no terminal; it takes no more than it needs."""

Format = Literal[*EXPORTERS]  # pyrefly: ignore


def train(
    training: Annotated[Given, tyro.conf.OmitArgPrefixes] = UNSET,
    launch: Annotated[Launch, tyro.conf.OmitArgPrefixes] = Launch(),  # noqa: B008
    name: str | None = None,
    runs: Path = Path("runs"),
    resume: bool = False,
    overwrite: bool = False,
    no_twin: bool = False,
) -> None:
    """Trains a sparse network and its dense twin, and compares them.

    lam, group-lam and beta are the paper's: they are divided by the number N of training images,
    and the run folder records both; --undivided takes them as they are. Everything goes to the
    folder RUNS/NAME, from which an interrupted run goes on with --resume.

    Args:
      training: the network, its regulariser, its data.
      launch: the devices.
      name: name of the run; made of data, model, algorithm, penalty and seed without it.
      runs: folder of the run folders.
      resume: go on with the run of this name, as it was configured; start it where there is none.
      overwrite: delete the run of this name first.
      no_twin: leave out the dense twin, which is trained in the subfolder dense.
    """
    if resume and overwrite:
        raise ValueError("A run can be resumed or overwritten, got both --resume and --overwrite.")
    placement = launch.start()
    mode: Mode = "resume" if resume else "overwrite" if overwrite else "new"
    folder = RunFolder(runs / check_name(name or make_name(Config.of(training))))
    console, finished = Console(quiet=not is_first_process()), {}
    with hint_at_resuming(folder.path), report_lost_process():
        with make_bars(console) as progress, show_messages(console):
            config = folder.resolve_config(drop_unset(training), mode)
            kind = _name_kind(config)
            on_epoch = add_bar(progress, kind, config)
            finished[kind] = folder.train(config, mode, on_epoch, placement)
            if not (no_twin or config.dense):
                dense = RunFolder(folder.path / "dense")
                on_epoch = add_bar(progress, "dense", config)
                twin = dense.train(config.twin(), mode, on_epoch, placement)
                finished = {"dense": twin, **finished}
            after = [] if config.dense else _tabulate_compact(folder, finished)
        _report(console, folder, finished, kind, after)
        raise_if_stopped()


def _report(
    console: Console, folder: RunFolder, finished: Mapping[str, Run], kind: str, after: list[Any]
) -> None:
    """Prints the tables of a run of some kind and of its twin, and saves their figure."""
    records = {name: run.records[-1] for name, run in finished.items()}
    if (penalised := find_penalised(finished[kind])) is not None:
        last = records.pop(kind)
        records |= {PENALISED: penalised, kind: last}
    console.print(tabulate_records(records, finished[kind].experiment.config.groups), *after)
    console.print(_describe(finished[kind]))
    figure = folder.path / "figure.png"
    if is_first_process():
        _save_figure(finished, figure)
    console.print(f"How it came about: {figure}")


def evaluate(
    run: tyro.conf.Positional[Path], data_root: str | None = None, download: bool = False
) -> None:
    """Tests a trained network again, from its checkpoint, and the compacted one, if there is one.

    Args:
      run: a run folder, runs/NAME.
      data_root: folder of the data sets, if it is not the one the run was trained with.
      download: fetch the files of the data set that are missing.
    """
    console, costs = Console(), []
    with show_messages(console):
        folder, trained = _load(run, data_root, download)
        experiment, state, records, _ = trained
        record = measure(experiment, state, records[-1].epoch, records[-1].loss)
        if is_compacted(folder):
            found = compact_run(folder, trained)
            costs.append(tabulate_costs({"full": found.full, "compact": found.compact}))
    config = experiment.config
    console.print(tabulate_records({_name_kind(config): record}, config.groups), *costs)


def compact(
    run: tyro.conf.Positional[Path],
    export: Annotated[tuple[Format, ...], tyro.conf.arg(help_behavior_hint="(default: none)")] = (),
    fastest: bool = False,
    data_root: str | None = None,
    download: bool = False,
) -> None:
    """Removes the dead channels of a trained network, and saves what is left in RUN/compact.

    Args:
      run: the folder of a finished run, runs/NAME.
      export: formats to export to, in the same folder.
      fastest: round widths up to those with which a batch of 256 is quickest on this device, by
        measurement; one that is not quicker stays.
      data_root: folder of the data sets, if it is not the one the run was trained with.
      download: fetch the files of the data set that are missing.
    """
    console = Console()
    with show_messages(console):
        found = _compact(run, export, fastest, data_root, download)
    costs = tabulate_costs({"full": found.full, "compact": found.compact})
    console.print(tabulate_compaction(found.report), costs, *map(str, found.files), sep="\n")


def _compact(
    run: Path, formats: Sequence[str], fastest: bool, data_root: str | None, download: bool
) -> CompactionResult:
    """Compacts a finished run anew."""
    check_packages(formats)
    folder, trained = _load(run, data_root, download)
    done, epochs = trained.records[-1].epoch, trained.experiment.config.epochs
    if done < epochs:
        raise ValueError(
            f"A compaction needs a finished run, got epoch {done} of {epochs} in {run}: go on with "
            "it by --resume."
        )
    return compact_run(folder, trained, formats, anew=True, fastest=fastest)


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


def _name_kind(config: Config) -> str:
    """Names the network of a run: dense or sparse."""
    return "dense" if config.dense else "sparse"


def _load(path: Path, data_root: str | None, download: bool) -> tuple[RunFolder, Run]:
    """Loads the run in a folder."""
    folder = RunFolder(path)
    config = folder.read_config()
    root = data_root or config.data_root
    changed = {"data_root": root, "download": download, "init_from": None}
    experiment = prepare(dataclasses.replace(config, **changed))
    return folder, folder.read_run(experiment)


def _tabulate_compact(folder: RunFolder, runs: Mapping[str, Run]) -> list[Any]:
    """Compacts a run and makes the table of its costs, or the sentence why it has none."""
    try:
        found = compact_run(folder, runs["sparse"])
    except ValueError as error:
        return [Text(f"The network keeps its dead channels: {error}")]
    if "dense" not in runs:
        return [tabulate_costs({"full": found.full, "compact": found.compact})]
    dense = found.full._replace(error=runs["dense"].records[-1].error)
    return [tabulate_costs({"dense": dense, "sparse": found.compact})]


def _describe(run: Run) -> str:
    """Describes a run in one line, with its strengths as they were given and in force."""
    config, images = run.experiment.config, len(run.experiment.data.y_train)
    words = [config.algorithm, *([] if config.dense else [name_method(config)])]
    if config.target_option is not None:
        target = f"target {getattr(config, config.target_option):g} of {config.target_option}"
        return ", ".join([*words, target, f"seed {config.seed}."])
    used = run.experiment.strengths._asdict()
    for name, given in config.strengths(1)._asdict().items():
        if given is not None:
            divided = "" if config.undivided else f" / {images:,} = {used[name]:.3g}"
            words.append(f"{name} {given:g}{divided}")
    return ", ".join([*words, f"seed {config.seed}."])


def _save_figure(finished: Mapping[str, Run], path: Path) -> None:
    """Saves the figure of a run."""
    from sgl_jax.cli._figures import draw_history, find_first_filters

    *_, last = finished.values()
    filters = find_first_filters(last)
    figure = draw_history({name: run.records for name, run in finished.items()}, filters)
    figure.savefig(path, dpi=120)
