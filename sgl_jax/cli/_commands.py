"""The commands of the command line, as functions of what is typed."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sgl_jax.algorithms import ALGORITHMS
from sgl_jax.cli._progress import bar, bars, hint
from sgl_jax.cli._tables import compaction, comparison, prices
from sgl_jax.compaction.artifacts import EXPORTERS
from sgl_jax.data import DATASETS
from sgl_jax.models import MODELS
from sgl_jax.penalties import PENALTIES
from sgl_jax.runs.compaction import compact_run, compacted_already
from sgl_jax.runs.config import Config
from sgl_jax.runs.costs import costs_of
from sgl_jax.runs.experiment import Reached, measure, prepare, run
from sgl_jax.runs.folder import Mode, RunFolder
from sgl_jax.runs.launch import Launch
from sgl_jax.runs.optimizers import OPTIMIZERS, SCHEDULES
from sgl_jax.train.processes import is_first, losses_noticed


__all__ = ["COMMANDS", "compact", "demo", "evaluate", "list_catalogues", "train"]

Format = Literal[*EXPORTERS]  # pyrefly: ignore

DEMO = {
    "splitting": Config(
        algorithm="splitting", penalty="transformed_l1", lam=0.42, beta=42.0, learning_rate=2e-3
    ),
    "prox_adam": Config(lam=0.42, group_lam=0.07, learning_rate=2e-3),
}
"""What the demo trains beside the dense twin."""


def train(
    config: Annotated[Config, tyro.conf.OmitArgPrefixes],
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
      config: what to train.
      launch: on which devices.
      name: of the run; made of data, model, algorithm, penalty and seed without it.
      runs: folder of the run folders.
      resume: go on with the run of this name, as it was configured; start it where there is none.
      overwrite: delete the run of this name first.
      no_twin: leave out the dense twin, which is trained in the subfolder dense.
    """
    if resume and overwrite:
        raise ValueError("A run can be resumed or overwritten, got both --resume and --overwrite.")
    placement = launch.start()
    mode: Mode = "resume" if resume else "overwrite" if overwrite else "new"
    folder = RunFolder(runs / (name or _name(config)))
    console, finished = Console(quiet=not is_first()), {}
    with losses_noticed(), bars(console) as progress, hint(folder.path):
        config = folder.agreed(config, mode)
        shown = bar(progress, "sparse", config)
        finished["sparse"] = folder.train(config, mode, shown, placement)
        if not (no_twin or config.dense):
            dense = RunFolder(folder.path / "dense")
            shown = bar(progress, "dense", config)
            finished = {"dense": dense.train(config.twin(), mode, shown, placement), **finished}
        after = [] if config.dense else _without_dead_channels(folder, finished)
    console.print(comparison({name: run.records[-1] for name, run in finished.items()}), *after)
    console.print(_said(finished["sparse"]))
    figure = folder.path / "figure.png"
    if is_first():
        _draw(finished, figure)
    console.print(f"How it came about: {figure}")


def evaluate(
    run: tyro.conf.Positional[Path], data_root: str | None = None, download: bool = False
) -> None:
    """Tests a trained network again, from its checkpoint, and the compacted one, if there is one.

    Args:
      run: a run folder, runs/NAME.
      data_root: folder of the data sets, where it is not the one the run was trained with.
      download: fetch the files of the data set that are missing.
    """
    folder, reached = _stored(run, data_root, download)
    experiment, state, records = reached
    record = measure(experiment, state, records[-1].epoch, records[-1].loss)
    Console().print(comparison({"dense" if experiment.config.dense else "sparse": record}))
    if compacted_already(folder):
        found = compact_run(folder, reached)
        Console().print(prices({"full": found.full, "compact": found.compact}))


def compact(
    run: tyro.conf.Positional[Path],
    export: tuple[Format, ...] = (),
    data_root: str | None = None,
    download: bool = False,
) -> None:
    """Removes the dead channels of a trained network, and saves what is left in RUN/compact.

    Args:
      run: the folder of a finished run, runs/NAME.
      export: formats to write there, too.
      data_root: folder of the data sets, where it is not the one the run was trained with.
      download: fetch the files of the data set that are missing.
    """
    folder, reached = _stored(run, data_root, download)
    done, epochs = reached.records[-1].epoch, reached.experiment.config.epochs
    if done < epochs:
        raise ValueError(
            f"A compaction needs a finished run, got epoch {done} of {epochs} in {run}: go on with "
            "it by --resume."
        )
    found = compact_run(folder, reached, export, anew=True)
    tables = compaction(found.report), prices({"full": found.full, "compact": found.compact})
    Console().print(*tables, *map(str, found.files), sep="\n")


def list_catalogues() -> None:
    """Names what can be chosen: penalties, algorithms, models, data sets, and more."""
    table = Table(box=None, show_header=False, pad_edge=False)
    width = 2 + max(len(name) for catalogue in _CATALOGUES.values() for name in catalogue)
    table.add_column(no_wrap=True, min_width=width)
    table.add_column(no_wrap=True, overflow="ellipsis")
    for option, catalogue in _CATALOGUES.items():
        table.add_row(f"--{option}", style="bold")
        for name, entry in catalogue.items():
            table.add_row(f"  {name}", _first_line(entry))
    Console().print(table)


def demo(epochs: int = 30, seed: int = 0) -> None:
    """Trains LeNet-5 on real digits three times, dense, by splitting, by proximal Adam.

    Args:
      epochs: passes over the data.
      seed: of the initial weights and of the order of the images.
    """
    chosen = {name: dataclasses.replace(c, epochs=epochs, seed=seed) for name, c in DEMO.items()}
    configs = {"dense": chosen["prox_adam"].twin(), **chosen}
    console = Console()
    with bars(console) as progress:
        reached = {name: run(c, bar(progress, name, c)) for name, c in configs.items()}
    console.print(comparison({name: each.records[-1] for name, each in reached.items()}))
    console.print(prices(costs_of(reached.pop("dense"), reached)))
    console.print(f"digits, {epochs} epochs each, seed {seed}.")


COMMANDS: dict[str, Callable[..., None]] = {
    "train": train,
    "evaluate": evaluate,
    "compact": compact,
    "list": list_catalogues,
    "demo": demo,
}

_CATALOGUES: dict[str, Mapping[str, Any]] = {
    "penalty": PENALTIES,
    "algorithm": ALGORITHMS,
    "model": MODELS,
    "data": DATASETS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
}


def _first_line(entry: Any) -> str:
    return (inspect.getdoc(entry) or "").partition("\n")[0]


def _name(config: Config) -> str:
    """A name for a run that tells it from its neighbours; import paths without their module."""
    parts = (config.data, config.model, config.algorithm, config.penalty)
    words = [part.rpartition(":")[2] for part in parts]
    return "-".join([*words, f"seed{config.seed}"])


def _stored(path: Path, data_root: str | None, download: bool) -> tuple[RunFolder, Reached]:
    """A run folder, and what is in it."""
    folder = RunFolder(path)
    config = folder.config()
    root = data_root or config.data_root
    experiment = prepare(dataclasses.replace(config, data_root=root, download=download))
    return folder, Reached(experiment, folder.state(experiment), folder.records())


def _without_dead_channels(folder: RunFolder, runs: Mapping[str, Reached]) -> list[Any]:
    """The last table of a training, or why there is none."""
    try:
        found = compact_run(folder, runs["sparse"])
    except ValueError as error:
        return [Text(f"The network keeps its dead channels: {error}")]
    if "dense" not in runs:
        return [prices({"full": found.full, "compact": found.compact})]
    dense = found.full._replace(error=runs["dense"].records[-1].error)
    return [prices({"dense": dense, "sparse": found.compact})]


def _said(run: Reached) -> str:
    """The setting in one line, with its strengths as they were given and in force."""
    config, images = run.experiment.config, len(run.experiment.data.y_train)
    words = [config.algorithm, config.penalty]
    used = run.experiment.strengths._asdict()
    for name, given in config.strengths(1)._asdict().items():
        if name != "beta" or run.records[-1].gap:
            divided = "" if config.undivided else f" / {images:,} = {used[name]:.3g}"
            words.append(f"{name} {given:g}{divided}")
    return ", ".join([*words, f"seed {config.seed}."])


def _draw(finished: Mapping[str, Reached], path: Path) -> None:
    """Saves the figure of a run."""
    from sgl_jax.cli._figures import first_filters, history

    filters = first_filters(finished["sparse"])
    figure = history({name: run.records for name, run in finished.items()}, filters)
    figure.savefig(path, dpi=120)
