"""Progress of a run while it lasts: a bar, or in a log a line per epoch."""

import contextlib
import logging
from collections.abc import Callable, Generator
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from sgl_jax.runs.config import Config
from sgl_jax.runs.records import Record
from sgl_jax.runs.results import Result
from sgl_jax.runs.sweeps import Failure, Sweep


__all__ = [
    "TARGETS",
    "SweepBar",
    "add_bar",
    "hint_at_resuming",
    "make_bars",
    "show_messages",
]


TARGETS = {
    "target_flops": "FLOPs",
    "target_params": "parameters",
    "target_sparsity": "weights left",
}
"""Names of the sizes that targets limit, by option."""


def make_bars(console: Console) -> Progress:
    """Makes the progress bars of several runs; in a narrow terminal the bars give way."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[figures]}"),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def add_bar(progress: Progress, name: str, config: Config) -> Callable[[Record], None]:
    """Adds the bar of a run; returns the callback of an epoch, which prints a line in a log."""
    task = progress.add_task(name, total=config.epochs, figures="")
    is_log = not progress.console.is_terminal

    def update(record: Record) -> None:
        live = sum(layer.live for layer in record.layers.values())
        of_v = f" v {record.sparse_error:.2%}" if record.gap else ""
        figures = (
            f"loss {record.loss:.3f} error {record.error:.2%}{of_v} "
            f"zeros {record.sparsity.weights:.1%} live {live:,}{_describe_budget(record, config)}"
        )
        progress.update(task, completed=record.epoch, figures=figures)
        if is_log:
            progress.console.print(f"{name} {record.epoch}/{config.epochs} {figures}")

    return update


class SweepBar:
    """The bar of a sweep, over the epochs of all its runs; in a log a line for every run.

    Args:
      progress: the bars.
      sweep: the sweep.
    """

    def __init__(self, progress: Progress, sweep: Sweep) -> None:
        self._progress = progress
        self._epochs = {name: planned.config.epochs for name, planned in sweep.runs.items()}
        self._done: dict[str, int] = {}
        self._ended = 0
        self._task = progress.add_task("sweep", total=sum(self._epochs.values()), figures="")

    def on_epoch(self, name: str, record: Record) -> None:
        """Moves the bar to an epoch of a run.

        Args:
          name: name of the run.
          record: record of the epoch.
        """
        self._move(name, record.epoch)
        shown = f"{name} {record.epoch}/{self._epochs[name]} error {record.error:.2%}"
        self._progress.update(self._task, figures=shown)

    def on_end(self, found: Result | Failure) -> None:
        """Moves the bar to the end of a run, and prints a line for it.

        Args:
          found: its result, or why it has none.
        """
        self._move(found.run, self._epochs[found.run])
        self._ended += 1
        said = f"error {found.last.error:.2%}" if isinstance(found, Result) else str(found.error)
        line = f"{self._ended}/{len(self._epochs)} {found.run}: {said}"
        self._progress.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _move(self, name: str, epoch: int) -> None:
        self._done[name] = max(epoch, self._done.get(name, 0))
        self._progress.update(self._task, completed=sum(self._done.values()))


def _describe_budget(record: Record, config: Config) -> str:
    """Describes what is left of a network that has a target for it."""
    if record.budget is None or config.target_option is None:
        return ""
    left = min(record.budget["measured"], record.budget["allowed"])
    return f" {TARGETS[config.target_option]} {left:.1%}"


@contextlib.contextmanager
def hint_at_resuming(path: Path, command: str = "train") -> Generator[None, None, None]:
    """Tells on an interruption of its block how the run goes on.

    Args:
      path: path of the folder.
      command: the command that goes on with it.
    """
    try:
        yield
    except KeyboardInterrupt as interruption:
        how = f"go on with `sgl-jax {command} --runs {path.parent} --name {path.name} --resume`"
        interruption.args = (how,)
        raise


@contextlib.contextmanager
def show_messages(console: Console) -> Generator[None, None, None]:
    """Shows in its block what the library logs, each message once.

    Args:
      console: the console to print on.
    """
    logger, shown = logging.getLogger("sgl_jax"), set()
    handler, level, propagates = logging.Handler(), logger.level, logger.propagate

    def emit(record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message not in shown:
            shown.add(message)
            console.print(message, highlight=False, markup=False, soft_wrap=True)

    handler.emit = emit
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False  # other libraries print what reaches the root
    try:
        yield
    finally:
        logger.propagate = propagates
        logger.setLevel(level)
        logger.removeHandler(handler)
