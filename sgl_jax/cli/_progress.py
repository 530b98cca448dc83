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


__all__ = ["TARGETS", "add_bar", "hint_at_resuming", "make_bars", "show_messages"]


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


def _describe_budget(record: Record, config: Config) -> str:
    """Describes what is left of a network that has a target for it."""
    if record.budget is None or config.target_option is None:
        return ""
    left = min(record.budget["measured"], record.budget["allowed"])
    return f" {TARGETS[config.target_option]} {left:.1%}"


@contextlib.contextmanager
def hint_at_resuming(path: Path) -> Generator[None, None, None]:
    """Tells on an interruption of its block how the run goes on.

    Args:
      path: path of the run folder.
    """
    try:
        yield
    except KeyboardInterrupt as interruption:
        how = f"go on with `sgl-jax train --runs {path.parent} --name {path.name} --resume`"
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
