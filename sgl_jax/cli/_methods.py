"""Figures of one run of each method: zeros of its layers, live groups over the epochs, filters."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sgl_jax.cli._fronts import Styles
from sgl_jax.runs.records import Layer, Record


__all__ = ["draw_layers", "draw_live_groups"]


def draw_layers(runs: Mapping[str, Mapping[str, Layer]], styles: Styles) -> Figure:
    """Draws the shares of weights and groups of every layer that are exactly zero.

    Args:
      runs: by method, the counts of the layers of a run; all of one network.
      styles: from :func:`style_methods`.
    """
    first = next(iter(runs.values()))
    figure = Figure(figsize=(11, 1.2 + 0.1 * len(first) * (1 + len(runs))), layout="constrained")
    at, height = np.arange(len(first)), 0.8 / len(runs)
    for axes, count, whole in zip(
        figure.subplots(1, 2, sharey=True), ("kept", "live"), ("weights", "groups"), strict=True
    ):
        for number, (method, layers) in enumerate(runs.items()):
            gone = [
                100 * (1 - getattr(layer, count) / getattr(layer, whole))
                for layer in layers.values()
            ]
            shift = (number - (len(runs) - 1) / 2) * height
            axes.barh(at + shift, gone, height, label=method, color=styles[method].color)
        axes.set(xlabel=f"{whole} exactly zero (%)", xlim=(0, 100))
        axes.set(yticks=at, yticklabels=[path.removesuffix("/kernel") for path in first])
    axes.invert_yaxis()
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=8)
    return figure


def draw_live_groups(histories: Mapping[str, Sequence[Record]], styles: Styles) -> Figure:
    """Draws the groups of the sparse network that are not zero, over the epochs.

    Args:
      histories: by method, the records of a run.
      styles: from :func:`style_methods`.
    """
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for method, records in histories.items():
        live = [sum(layer.live for layer in record.layers.values()) for record in records]
        epochs = [record.epoch for record in records]
        axes.step(epochs, live, where="mid", label=method, color=styles[method].color)
    axes.set(xlabel="epoch", ylabel="groups not zero", ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    return figure
