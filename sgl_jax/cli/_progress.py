"""What is seen of a run while it lasts: a bar, or in a log a line per epoch."""

import contextlib
from collections.abc import Callable, Iterator
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


__all__ = ["bar", "bars", "hint"]


def bars(console: Console) -> Progress:
    """The progress bars of several runs; where the terminal is narrow, they give way."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[figures]}"),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def bar(progress: Progress, name: str, config: Config) -> Callable[[Record], None]:
    """A line of the progress bars, as what is called after every epoch; in a log, a line each."""
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
def hint(path: Path) -> Iterator[None]:
    """Says on an interruption how a run goes on.

    Args:
      path: of its folder.
    """
    try:
        yield
    except KeyboardInterrupt as interruption:
        how = f"go on with `sgl-jax train --runs {path.parent} --name {path.name} --resume`"
        raise type(interruption)(how) from None
