"""A table as cells of text, which a terminal and a page show alike."""

from typing import NamedTuple

from rich.table import Table


__all__ = ["Grid", "to_rich"]


class Grid(NamedTuple):
    """A table as cells of text.

    Attributes:
      title: its title.
      columns: heads of the columns; the first is that of the names of the rows.
      rows: the cells, row by row.
      caption: notes below it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


def to_rich(grid: Grid) -> Table:
    """Makes a table for a terminal: names to the left, numbers to the right."""
    table = Table(title=grid.title, caption=grid.caption or None)
    for number, name in enumerate(grid.columns):
        table.add_column(name, justify="right" if number else "left", no_wrap=bool(number))
    for row in grid.rows:
        table.add_row(*row)
    return table
