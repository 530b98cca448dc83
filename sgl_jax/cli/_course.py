"""Figures of trainings side by side: errors, weights and channels over the epochs."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sgl_jax.cli._figures import COLORS, draw_errors
from sgl_jax.runs.records import Record


__all__ = ["draw_channels", "draw_course"]


def draw_course(runs: Mapping[str, Sequence[Record]]) -> Figure:
    """Draws the test errors of runs, and their shares of weights that are not zero.

    Args:
      runs: by the name to show, the records of each run.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    errors, weights = figure.subplots(1, 2)
    draw_errors(errors, runs)
    errors.set(title="", xlabel="epoch")
    for (name, records), color in zip(runs.items(), COLORS, strict=False):
        shares = [100 * (1 - record.sparsity.weights) for record in records]
        weights.plot([record.epoch for record in records], shares, color=color, label=name)
    weights.set(xlabel="epoch", ylabel="weights not zero (%)", ylim=(0, None))
    weights.legend(frameon=False, fontsize=8)
    for axes in (errors, weights):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def draw_channels(records: Sequence[Record]) -> Figure:
    """Draws the groups of each layer that are alive over the epochs.

    Args:
      records: the records of a run.
    """
    figure = Figure(figsize=(10, 3), layout="constrained")
    panels = figure.subplots(1, len(records[-1].layers), squeeze=False).ravel()
    epochs = [record.epoch for record in records]
    for axes, (path, last) in zip(panels, records[-1].layers.items(), strict=True):
        axes.step(epochs, [record.layers[path].live for record in records], color=COLORS[0])
        title = f"{path.removesuffix('/kernel')}: {last.live:,} of {last.groups:,}"
        axes.set(title=title, xlabel="epoch", ylim=(0, 1.05 * last.groups))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure
