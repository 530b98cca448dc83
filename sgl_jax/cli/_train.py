"""The command that trains a sparse network and its dense twin."""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import tyro
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from sgl_jax._util.signals import raise_if_stopped
from sgl_jax.cli._events import open_events
from sgl_jax.cli._given import UNSET, Given, drop_unset
from sgl_jax.cli._names import check_name, make_name, name_kind
from sgl_jax.cli._progress import add_bar, hint_at_resuming, make_bars, show_messages
from sgl_jax.cli._tables import (
    PENALISED,
    tabulate_costs,
    tabulate_records,
    tabulate_storage,
)
from sgl_jax.runs.compaction import compact_run
from sgl_jax.runs.config import Config
from sgl_jax.runs.experiment import Run, find_penalised
from sgl_jax.runs.folder import Mode, RunFolder
from sgl_jax.runs.launch import Launch
from sgl_jax.runs.recipes import RecipeFolder, find_run_folder, is_recipe, read_recipe
from sgl_jax.runs.records import Record
from sgl_jax.runs.results import name_source
from sgl_jax.train.placement import Placement
from sgl_jax.train.processes import is_first_process, report_lost_process


__all__ = ["train"]


def train(
    training: Annotated[Given, tyro.conf.OmitArgPrefixes] = UNSET,
    launch: Annotated[Launch, tyro.conf.OmitArgPrefixes] = Launch(),  # noqa: B008
    recipe: str | None = None,
    name: str | None = None,
    runs: Path = Path("runs"),
    resume: bool = False,
    overwrite: bool = False,
    no_twin: bool = False,
    tensorboard: bool = False,
) -> None:
    """Trains a sparse network and its dense twin, and compares them.

    lam, group-lam and beta are the paper's: they are divided by the number N of training images,
    and the run folder records both; --undivided takes them as they are. Everything goes to the
    folder RUNS/NAME, from which an interrupted run goes on with --resume.

    Args:
      training: the network, its regulariser, its data.
      launch: the devices.
      recipe: stages to train in, each from the weights of the one before: a name (sgl-jax list), or
        the path of a .toml file; every stage has a folder of its own in RUNS/NAME.
      name: name of the run; made of data, model, algorithm, penalty and seed without it.
      runs: folder of the run folders.
      resume: go on with the run of this name, as it was configured; start it where there is none.
      overwrite: delete the run of this name first.
      no_twin: leave out the dense twin, which is trained in the subfolder dense.
      tensorboard: write the results of every epoch for TensorBoard, too, into the subfolder
        tensorboard of each run folder.
    """
    if resume and overwrite:
        raise ValueError("A run can be resumed or overwritten, got both --resume and --overwrite.")
    placement = launch.start()
    mode: Mode = "resume" if resume else "overwrite" if overwrite else "new"
    path = runs / check_name(name or make_name(Config.of(training)))
    console = Console(quiet=not is_first_process())
    with hint_at_resuming(path), report_lost_process():
        with (
            make_bars(console) as progress,
            show_messages(console),
            contextlib.ExitStack() as files,
        ):
            job = _Job(path, mode, placement, progress, files if tensorboard else None)
            stages = _plan_stages(path, drop_unset(training), recipe, mode)
            folder, run, whole = job.train(drop_unset(training), stages)
            finished = {name_kind(whole): run}
            if not (no_twin or whole.dense):
                finished = {"dense": job.train_twin(whole), **finished}
            after = [] if whole.dense else _tabulate_compact(folder, finished)
        _report(console, folder, finished, name_kind(whole), after)
        raise_if_stopped()


def _plan_stages(
    path: Path, given: Mapping[str, Any], recipe: str | None, mode: Mode
) -> dict[str, Config] | None:
    """Makes the configs of the stages of a recipe; ``None`` without one."""
    if recipe is not None:
        return read_recipe(recipe).plan(given)
    if mode != "resume" or not is_recipe(path):
        return None
    if given:
        raise ValueError(
            f"A recipe that goes on needs its --recipe beside other options, got "
            f"{', '.join(given)} without it for {path}: give it, or --resume alone."
        )
    return RecipeFolder(path).read_stages()


class _Job(NamedTuple):
    """A run folder to train in.

    Attributes:
      path: path of the folder.
      mode: treatment of a run that is there.
      placement: the devices, if many.
      progress: the bars.
      files: closes the event files; ``None`` to write none.
    """

    path: Path
    mode: Mode
    placement: Placement | None
    progress: Progress
    files: contextlib.ExitStack | None = None

    def train(
        self, given: Mapping[str, Any], stages: Mapping[str, Config] | None
    ) -> tuple[RunFolder, Run, Config]:
        """Trains the run, or its stages; returns the folder and run at its end, and its config."""
        if stages is None:
            folder = RunFolder(self.path)
            config = folder.resolve_config(given, self.mode)
            on_epoch = self._follow(folder, name_kind(config), config)
            return folder, folder.train(config, self.mode, on_epoch, self.placement), config
        folder = RecipeFolder(self.path)
        follow = {
            name: self._follow(of_stage, name, config)
            for of_stage, (name, config) in zip(
                folder.list_stages(stages), stages.items(), strict=True
            )
        }
        run = folder.train(
            stages, self.mode, lambda stage, record: follow[stage](record), self.placement
        )
        total = sum(config.epochs for config in stages.values())
        sparse = [config for config in stages.values() if not config.dense] or [*stages.values()]
        whole = sparse[0].changed(epochs=total)
        return find_run_folder(self.path), run, whole

    def train_twin(self, config: Config) -> Run:
        """Trains the dense twin."""
        folder = RunFolder(self.path / "dense")
        on_epoch = self._follow(folder, "dense", config)
        return folder.train(config.twin(), self.mode, on_epoch, self.placement)

    def _follow(self, folder: RunFolder, name: str, config: Config) -> Callable[[Record], None]:
        """Adds the bar of a run, and opens its event file; returns the callback of an epoch."""
        move = add_bar(self.progress, name, config)
        if self.files is None:
            return move
        write = self.files.enter_context(open_events(folder.path))

        def follow(record: Record) -> None:
            move(record)
            write(record)

        return follow


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


def _tabulate_compact(folder: RunFolder, runs: Mapping[str, Run]) -> list[Any]:
    """Compacts a run and makes the table of its costs, or the sentence why it has none."""
    try:
        found = compact_run(folder, runs["sparse"])
    except ValueError as error:
        return [Text(f"The network keeps its dead channels: {error}")]
    after = tabulate_storage(found.storage)
    if "dense" not in runs:
        return [tabulate_costs({"full": found.full, "compact": found.compact}), after]
    dense = found.full._replace(error=runs["dense"].records[-1].error)
    return [tabulate_costs({"dense": dense, "sparse": found.compact}), after]


def _describe(run: Run) -> str:
    """Describes a run in one line, with its strengths as they were given and in force."""
    config, images = run.experiment.config, len(run.experiment.data.y_train)
    words = [config.algorithm, *([] if config.dense else [name_source(vars(config))])]
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
