"""A self-contained HTML page: sections of text, figures and tables in one file, no network."""

import html
import io
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import NamedTuple

from matplotlib.figure import Figure

from sgl_jax._util.files import write_whole
from sgl_jax.cli._grid import Grid


__all__ = ["Section", "write_page"]

_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; background: #fff; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { caption-side: bottom; text-align: left; color: #555; padding-top: .5rem; }
th, td { padding: .3rem .9rem; text-align: right; border-bottom: 1px solid #ddd; }
td { white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
.wide { overflow-x: auto; } svg { max-width: 100%; height: auto; }
</style>
</head>
<body>
<h1>$title</h1>
$sections
</body>
</html>
""")


class Section(NamedTuple):
    """A section of a page: a heading, text below it, and a figure or a table.

    Attributes:
      heading: the heading, plain text.
      text: a paragraph of plain text.
      shown: the figure or the table; ``None`` for text alone.
    """

    heading: str
    text: str
    shown: Figure | Grid | None = None


def write_page(path: Path, title: str, sections: Sequence[Section]) -> None:
    """Writes a page; one that is there is replaced when the new one is whole.

    Args:
      path: path of the file; its folder is made if it is missing.
      title: title of the page.
      sections: its sections, in order.

    Raises:
      OSError: the file cannot be written.
    """
    shown = "\n".join(map(_render_section, sections))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, _PAGE.substitute(title=html.escape(title), sections=shown))


def _render_section(section: Section) -> str:
    parts = [f"<h2>{html.escape(section.heading)}</h2>", f"<p>{html.escape(section.text)}</p>"]
    if isinstance(section.shown, Figure):
        parts.append(f'<div class="wide">{_render_figure(section.shown, section.heading)}</div>')
    elif section.shown is not None:
        parts.append(f'<div class="wide">{_render_grid(section.shown)}</div>')
    return "\n".join(parts)


def _render_figure(figure: Figure, label: str) -> str:
    """Renders a figure as SVG with a label for screen readers, without its XML header."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    svg = buffer.getvalue()
    return svg[svg.index("<svg") :].replace(
        "<svg", f'<svg role="img" aria-label="{html.escape(label)}"', 1
    )


def _render_grid(grid: Grid) -> str:
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in grid.columns)
    rows = (
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in grid.rows
    )
    caption = f"<caption>{html.escape(grid.caption)}</caption>" if grid.caption else ""
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
