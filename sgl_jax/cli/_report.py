"""The command that makes tables and figures of many runs."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import tyro
from matplotlib.figure import Figure
from rich.console import Console

from sgl_jax._util.files import write_whole
from sgl_jax.cli._figures import draw_filters, find_first_filters
from sgl_jax.cli._fronts import Styles, draw_fronts, draw_paths, style_methods
from sgl_jax.cli._grid import Grid, to_rich
from sgl_jax.cli._methods import draw_layers, draw_live_groups
from sgl_jax.cli._page import Section, write_page
from sgl_jax.cli._progress import show_messages
from sgl_jax.cli._summaries import FORMATS, SHORT, tabulate_summaries
from sgl_jax.runs.experiment import prepare
from sgl_jax.runs.folder import RunFolder
from sgl_jax.runs.results import Result
from sgl_jax.runs.sweeps import Summary, SweepFolder, find_dominated, summarize


__all__ = ["report"]

logger = logging.getLogger(__name__)

NEAR = 0.001
"""Errors within so much of the lowest of a method count as near it."""


class Found(NamedTuple):
    """The results of a report, and the folders of those runs that are there.

    Attributes:
      results: the results.
      folders: run folders by name of the run.
    """

    results: list[Result]
    folders: dict[str, RunFolder]


def report(
    sources: tyro.conf.Positional[tuple[Path, ...]],
    to: Path | None = None,
    ours: Annotated[str, tyro.conf.arg(metavar="GROUP")] = "ours",
    against: Annotated[str, tyro.conf.arg(metavar="GROUP")] = "paper",
) -> None:
    """Makes tables and figures of sweeps: means over seeds, fronts of error and sparsity, layers.

    Writes a page, report.html, and tables as table.md, table.tex and table.csv.

    Args:
      sources: sweep folders, and records of finished runs, .json or .jsonl.
      to: folder to write to; without it, report in the folder of the first source.
      ours: group of methods whose points are to be better.
      against: group of methods whose points are compared with them.
    """
    console = Console()
    with show_messages(console):
        found = _read(sources)
        folder = to or (sources[0] if sources[0].is_dir() else sources[0].parent) / "report"
        summaries = summarize(found.results)
        console.print(*map(to_rich, tabulate_summaries(summaries, SHORT)))
        sections = [
            section
            for task in dict.fromkeys(each.task for each in summaries)
            for section in _tell(
                [each for each in summaries if each.task == task], found.folders, ours, against
            )
        ]
        folder.mkdir(parents=True, exist_ok=True)
        write_page(folder / "report.html", "Sparsity and error", sections)
        for ending, write in FORMATS.items():
            write_whole(folder / f"table.{ending}", write(summaries))
    console.print(f"The page: {folder / 'report.html'}")


def _read(sources: Sequence[Path]) -> Found:
    """Reads the results of all sources, and finds the folders of their runs."""
    results, folders = [], {}
    for source in sources:
        if source.is_dir():
            sweep = SweepFolder(source)
            sweep.read_sweep()
            read = sweep.read_results()
            folders |= {each.run: sweep.find_run(each.run) for each in read}
        else:
            read = _read_record(source)
        results += read
    if not results:
        raise ValueError(
            f"A report needs a finished run at least, got none in {', '.join(map(str, sources))}: "
            "wait for one, or give other folders."
        )
    return Found(results, folders)


def _read_record(path: Path) -> list[Result]:
    """Reads the results of runs from a record: one JSON value, or one on each line."""
    try:
        text = path.read_text(encoding="utf-8")
        lines = path.suffix == ".jsonl"
        found = list(map(json.loads, text.splitlines())) if lines else json.loads(text)["runs"]
        return [Result.from_json(each) for each in found]
    except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(
            f"A report needs sweep folders or records of finished runs, got {error} in {path}: "
            "give another path."
        ) from error


def _tell(
    points: Sequence[Summary], folders: Mapping[str, RunFolder], ours: str, against: str
) -> list[Section]:
    """Tells of the runs of one task, in sections of a page."""
    compared, dominated = _compare(points, ours, against)
    grids: list[Grid] = tabulate_summaries(points)
    chosen = {method: _choose(points, method) for method in dict.fromkeys(p.method for p in points)}
    styles = style_methods(chosen)
    runs = {method: point.results[0] for method, point in chosen.items()}
    names = ", ".join(f"{m} ({p.setting})" if p.setting else m for m, p in chosen.items())
    there = {m: folders[run.run] for m, run in runs.items() if run.run in folders}
    layers = {method: run.last.layers for method, run in runs.items()}
    figures: dict[str, tuple[str, Figure | None]] = {
        "Error and zeros": (_TEXTS["fronts"] + compared, draw_fronts(points, dominated)),
        "Paths": (_TEXTS["paths"], draw_paths(points)),
        "Layers": (f"{_TEXTS['chosen']} {names}.", draw_layers(layers, styles)),
        "Groups over the epochs": (_TEXTS["live"], _draw_histories(there, styles)),
        "Filters of the first layer": (_TEXTS["filters"], _draw_filters(there)),
    }
    return [
        Section(points[0].task, "", grids[0]),
        *(Section(name, text, shown) for name, (text, shown) in figures.items() if shown),
    ]


def _compare(points: Sequence[Summary], ours: str, against: str) -> tuple[str, set[int]]:
    """Counts the points of a group that another has better ones than; returns words and places."""
    mine = [point for point in points if point.group == ours]
    places = [place for place, point in enumerate(points) if point.group == against]
    if not mine or not places:
        return "", set()
    found = find_dominated([points[place] for place in places], mine)
    dominated = {place for place, (_, best) in zip(places, found, strict=True) if best is not None}
    return (
        f" Of {len(places)} points of the group {against}, {len(dominated)} are dominated by one "
        f"of {ours} (hollow): its error is no higher, and it has no fewer exact zeros among "
        "weights and groups than the other has numbers less than 1e-5.",
        dominated,
    )


def _choose(points: Sequence[Summary], method: str) -> Summary:
    """Chooses the point of a method with most zeros among those with an error near its lowest."""
    own = [point for point in points if point.method == method]
    lowest = min(point.figures["error"].mean for point in own)
    near = [point for point in own if point.figures["error"].mean <= lowest + NEAR]
    return max(near, key=lambda point: point.figures["weights"].mean)


def _draw_histories(folders: Mapping[str, RunFolder], styles: Styles) -> Figure | None:
    """Draws the live groups of runs over the epochs; ``None`` without a run folder."""
    histories = {method: folder.read_records() for method, folder in folders.items()}
    return draw_live_groups(histories, styles) if histories else None


def _draw_filters(folders: Mapping[str, RunFolder]) -> Figure | None:
    """Draws the first filters of runs; ``None`` if none has its data set and checkpoint."""
    found = {}
    for method, folder in folders.items():
        try:
            filters = find_first_filters(folder.read_run(prepare(folder.read_config())))
        except (OSError, ValueError) as error:
            logger.info("No filters of %s: %s", method, error)
            continue
        if filters is not None:
            found[method] = filters
    return draw_filters(found) if found else None


_TEXTS = {
    "fronts": (
        "Means over seeds, bars are standard deviations. Counted are the trained weights less than "
        "1e-5, and the groups of them; of networks with exact zeros those are the zeros."
    ),
    "paths": "Weights and groups of the sparse networks that are left at every strength.",
    "chosen": (
        "Of each method the first seed of one setting: the one with most zero weights among those "
        "whose mean error is within 0.1 points of its lowest. Here and below:"
    ),
    "live": "Groups of the sparse network that are not exactly zero.",
    "filters": "Mean over the inputs of each filter; those that are dead are crossed out.",
}
