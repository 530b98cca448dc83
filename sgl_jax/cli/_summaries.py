"""Tables of many runs: means over their seeds, for terminals, pages, papers and programs."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence

from sgl_jax.cli._grid import Grid
from sgl_jax.runs.sweeps import Moments, Summary


__all__ = ["FORMATS", "SHORT", "tabulate_summaries"]


def _show_error(found: Moments, seeds: int) -> str:
    return _show_percent(found, seeds, 2)


def _show_percent(found: Moments, seeds: int, digits: int = 1) -> str:
    spread = f" ± {100 * found.std:.{digits}f}" if seeds > 1 else ""
    return f"{100 * found.mean:.{digits}f}{spread}"


def _show_number(found: Moments, seeds: int) -> str:
    del seeds
    return f"{found.mean:,.0f}"


def _show_rate(found: Moments, seeds: int) -> str:
    del seeds
    return f"{found.mean:,.1f}"


COLUMNS: dict[str, tuple[str, Callable[[Moments, int], str]]] = {
    "error": ("error %", _show_error),
    "sparse_error": ("of copy %", _show_error),
    "weights": ("weights 0 %", _show_percent),
    "weights_paper": ("<1e-5 %", _show_percent),
    "groups": ("groups 0 %", _show_percent),
    "groups_paper": ("<1e-5 %", _show_percent),
    "flops": ("FLOPs %", _show_percent),
    "bytes": ("bytes", _show_number),
    "kept_rate": ("weights ×", _show_rate),
    "data_rate": ("data ×", _show_rate),
    "indexed_rate": ("indexed ×", _show_rate),
    "file_bytes": ("file bytes", _show_number),
    "file_rate": ("file ×", _show_rate),
    "seconds": ("s", _show_number),
}
"""Title and form of the figures, by name."""

CAPTION = (
    "error: of the trained weights on the test images; of copy: of the thresholded copy of a "
    "splitting, which has the zeros. 0: exactly zero in the copy, or in the weights where there is "
    "none; <1e-5: in the trained weights. FLOPs and bytes: left without dead channels."
)

ON_LEVELS = (
    " Of networks on levels, without dead channels and as factors of float32: weights ×: all "
    "weights over those kept; data ×: bits of the values of the kept weights alone; indexed ×: "
    "with a relative index for each; file: an archive with everything in it, biases too."
)
"""Added to the caption of a table that has these columns."""


SHORT = ("error", "weights", "groups", "flops")
"""Figures for which a terminal has room."""


def tabulate_summaries(
    summaries: Sequence[Summary], names: Iterable[str] = tuple(COLUMNS)
) -> list[Grid]:
    """Tabulates the figures of runs, a table for every task.

    Args:
      summaries: the figures.
      names: names of the figures to show, of those that are there.
    """
    tasks = dict.fromkeys(each.task for each in summaries)
    return [_tabulate(t, [each for each in summaries if each.task == t], names) for t in tasks]


def _tabulate(task: str, summaries: Sequence[Summary], shown: Iterable[str]) -> Grid:
    names = [n for n in shown if any(n in each.figures for each in summaries)]
    rows = tuple(
        (each.method, each.setting, *(_show(each, name) for name in names)) for each in summaries
    )
    few, many = (pick(each.seeds for each in summaries) for pick in (min, max))
    over = f"{few} to {many} runs" if few < many else f"{many} runs" if many > 1 else "1 run"
    columns = ("method", "setting", *(COLUMNS[name][0] for name in names))
    more = ON_LEVELS if "file_bytes" in names else ""
    return Grid(task, columns, rows, f"Mean ± standard deviation over {over}. {CAPTION}{more}")


def _show(summary: Summary, name: str) -> str:
    found = summary.figures.get(name)
    return "" if found is None else COLUMNS[name][1](found, summary.seeds)


def write_markdown(summaries: Sequence[Summary]) -> str:
    """Writes the tables in Markdown.

    Args:
      summaries: the figures.
    """
    return "\n".join(map(_write_markdown, tabulate_summaries(summaries)))


def _write_markdown(grid: Grid) -> str:
    rule = ["---"] * 2 + ["---:"] * (len(grid.columns) - 2)
    lines = [grid.columns, rule, *grid.rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"### {grid.title}\n\n{table}\n\n{grid.caption}\n"


def write_latex(summaries: Sequence[Summary]) -> str:
    """Writes the tables in LaTeX, for the package booktabs.

    Args:
      summaries: the figures.
    """
    return "\n".join(map(_write_latex, tabulate_summaries(summaries)))


def _write_latex(grid: Grid) -> str:
    head, *rows = (" & ".join(map(_escape, line)) + r" \\" for line in (grid.columns, *grid.rows))
    columns = "ll" + "r" * (len(grid.columns) - 2)
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{_escape(grid.title)}. {_escape(grid.caption)}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            head,
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


SPECIAL: Mapping[str, str] = {
    **{char: rf"\{char}" for char in "&%$#_{}"},
    "<": "$<$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}
"""LaTeX of characters that mean something else there."""


def _escape(text: str) -> str:
    return "".join(SPECIAL.get(char, char) for char in text)


def write_csv(summaries: Sequence[Summary]) -> str:
    """Writes all figures as numbers, comma-separated: means, and standard deviations beside them.

    Args:
      summaries: the figures.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    moments = [f"{name}{ending}" for name in COLUMNS for ending in ("", "_std")]
    writer.writerow(["task", "method", "group", "setting", "seeds", *moments])
    for each in summaries:
        found = [each.figures.get(name, ("", "")) for name in COLUMNS]
        numbers = [number for pair in found for number in pair]
        writer.writerow([each.task, each.method, each.group, each.setting, each.seeds, *numbers])
    return file.getvalue()


FORMATS: dict[str, Callable[[Sequence[Summary]], str]] = {
    "md": write_markdown,
    "tex": write_latex,
    "csv": write_csv,
}
"""Writers of tables by the ending of their files."""
