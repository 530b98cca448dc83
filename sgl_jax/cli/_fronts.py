"""Figures of many runs: errors against zeros, and live groups against strengths."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure

from sgl_jax.runs.sweeps import Summary, find_front


__all__ = ["Style", "Styles", "draw_fronts", "draw_paths", "style_methods"]

MARKERS = "osD^vP*X<>ph"


class Style(NamedTuple):
    """The look of a method in figures.

    Attributes:
      color: its color.
      marker: its marker.
    """

    color: str
    marker: str


Styles: TypeAlias = Mapping[str, Style]
"""The style of each method by name."""


def style_methods(methods: Iterable[str]) -> Styles:
    """Gives every method a color and a marker of its own.

    Args:
      methods: their names.
    """
    return {
        name: Style(f"C{number % 10}", MARKERS[number % len(MARKERS)])
        for number, name in enumerate(dict.fromkeys(methods))
    }


def draw_fronts(points: Sequence[Summary], dominated: Collection[int] = ()) -> Figure:
    """Draws mean errors against the shares of weights and of groups that are zero.

    Bars are standard deviations. A line joins the points of which no other has both a lower error
    and more zeros; hollow points are dominated.

    Args:
      points: the points, all of one task.
      dominated: the places among them of those that are dominated.
    """
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    styles = style_methods(each.method for each in points)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, noun in zip(panels, ("weights", "groups"), strict=True):
        axes.set(xlabel=f"{noun} less than 1e-5 (%)", yscale="log")
        _write_out(axes.yaxis)
        _draw_points(axes, points, f"{noun}_paper", styles, dominated)
    panels[0].set(ylabel="test error (%)")
    _add_legend(figure, panels[0])
    return figure


def _draw_points(
    axes: Axes,
    points: Sequence[Summary],
    name: str,
    styles: Styles,
    dominated: Collection[int],
) -> None:
    front = find_front(points, name)
    line = sorted((100 * p.figures[name].mean, 100 * p.figures["error"].mean) for p in front)
    axes.plot(*zip(*line, strict=True), color="0.8", zorder=0)
    labelled: set[str] = set()
    for place, point in enumerate(points):
        share, error = point.figures[name], point.figures["error"]
        axes.errorbar(
            100 * share.mean,
            100 * error.mean,
            yerr=100 * error.std or None,
            linestyle="none",
            fillstyle="none" if place in dominated else "full",
            label="" if point.method in labelled else point.method,
            color=styles[point.method].color,
            marker=styles[point.method].marker,
        )
        labelled.add(point.method)


def _write_out(axis: Axis) -> None:
    """Writes out the numbers of a logarithmic axis."""
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("{x:g}")
    axis.set_tick_params(which="minor", labelsize=6)


def draw_paths(points: Sequence[Summary]) -> Figure | None:
    """Draws the regularization paths: weights and groups that are left, against the strength.

    Args:
      points: the points, all of one task.

    Returns:
      The figure; ``None`` if no method has several strengths.
    """
    paths: dict[str, dict[float, Summary]] = {}
    for point in points:
        lam = point.results[0].config["lam"]
        paths.setdefault(point.method, {})[lam] = point
    paths = {method: found for method, found in paths.items() if len(found) > 1}
    if not paths:
        return None
    figure = Figure(figsize=(11, 4), layout="constrained")
    styles = style_methods(each.method for each in points)
    panels = figure.subplots(1, 2)
    for axes, noun in zip(panels, ("weights", "groups"), strict=True):
        for method, found in paths.items():
            strengths = sorted(found)
            left = [100 * (1 - found[lam].figures[noun].mean) for lam in strengths]
            axes.plot(strengths, left, label=method, **styles[method]._asdict())
        axes.set(xlabel="lam, before it is divided by N", ylabel=f"{noun} not zero (%)")
        axes.set(xscale="log", ylim=(0, None))
        _write_out(axes.xaxis)
    _add_legend(figure, panels[0])
    return figure


def _add_legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=8)
