"""The commands of the command line, as functions of what is typed."""

import contextlib
import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table

from sgl_jax._pytree import flatten_by_path
from sgl_jax.algorithms import ALGORITHMS
from sgl_jax.config import Config
from sgl_jax.data import DATASETS
from sgl_jax.experiment import measure, prepare, run, sparse_of
from sgl_jax.launch import Launch
from sgl_jax.models import MODELS
from sgl_jax.optimizers import OPTIMIZERS, SCHEDULES
from sgl_jax.penalties import PENALTIES
from sgl_jax.processes import is_first, losses_noticed
from sgl_jax.records import Record
from sgl_jax.report import comparison
from sgl_jax.runs import Mode, Reached, RunFolder


__all__ = ["COMMANDS", "demo", "evaluate", "list_catalogues", "train"]

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
    with losses_noticed(), _progress(console) as progress, _hint(folder.path):
        config = folder.agreed(config, mode)
        bar = _bar(progress, "sparse", config)
        finished["sparse"] = folder.train(config, mode, bar, placement)
        if not (no_twin or config.dense):
            dense = RunFolder(folder.path / "dense")
            bar = _bar(progress, "dense", config)
            finished = {"dense": dense.train(config.twin(), mode, bar, placement), **finished}
    console.print(comparison({name: run.records[-1] for name, run in finished.items()}))
    console.print(_said(finished["sparse"]))
    figure = folder.path / "figure.png"
    if is_first():
        _draw(finished, figure)
    console.print(f"How it came about: {figure}")


def evaluate(
    run: tyro.conf.Positional[Path], data_root: str | None = None, download: bool = False
) -> None:
    """Tests a trained network again, from its checkpoint.

    Args:
      run: a run folder, runs/NAME.
      data_root: folder of the data sets, where it is not the one the run was trained with.
      download: fetch the files of the data set that are missing.
    """
    folder = RunFolder(run)
    config = folder.config()
    root = data_root or config.data_root
    experiment = prepare(dataclasses.replace(config, data_root=root, download=download))
    state = folder.state(experiment)
    last = folder.records()[-1]
    record = measure(experiment, state, last.epoch, last.loss)
    Console().print(comparison({"dense" if config.dense else "sparse": record}))


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
    with _progress(console) as progress:
        records = {name: run(c, _bar(progress, name, c)) for name, c in configs.items()}
    console.print(comparison(records))
    console.print(f"digits, {epochs} epochs each, seed {seed}.")


COMMANDS: dict[str, Callable[..., None]] = {
    "train": train,
    "evaluate": evaluate,
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


def _progress(console: Console) -> Progress:
    # Where the terminal is narrow, the bar gives way.
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[figures]}"),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _bar(progress: Progress, name: str, config: Config) -> Callable[[Record], None]:
    """A line of the progress bar, as what is called after every epoch; in a log, a line each."""
    task = progress.add_task(name, total=config.epochs, figures="")
    is_log = not progress.console.is_terminal

    def update(record: Record) -> None:
        live = sum(layer.live for layer in record.layers.values())
        of_v = f" v {record.sparse_error:.2%}" if record.gap else ""
        figures = (
            f"loss {record.loss:.3f} error {record.error:.2%}{of_v} "
            f"zeros {record.sparsity.weights:.1%} live {live:,}"
        )
        progress.update(task, completed=record.epoch, figures=figures)
        if is_log:
            progress.console.print(f"{name} {record.epoch}/{config.epochs} {figures}")

    return update


@contextlib.contextmanager
def _hint(path: Path) -> Iterator[None]:
    """Says on an interruption how to go on."""
    try:
        yield
    except KeyboardInterrupt as interruption:
        how = f"go on with `sgl-jax train --runs {path.parent} --name {path.name} --resume`"
        raise type(interruption)(how) from None


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
    from sgl_jax.figures import history

    filters = _first_filters(finished["sparse"])
    figure = history({name: run.records for name, run in finished.items()}, filters)
    figure.savefig(path, dpi=120)


def _first_filters(run: Reached) -> np.ndarray | None:
    """The kernel of the convolution that runs first, averaged over its inputs, if there is one."""
    leaves, _ = flatten_by_path(sparse_of(run.experiment.config, run.state))
    products = run.experiment.products or []
    kernels = [leaves[product.kernel] for product in products if product.kernel]
    images = [kernel for kernel in kernels if kernel.ndim == 4]
    return np.asarray(images[0]).mean(axis=2) if images else None
