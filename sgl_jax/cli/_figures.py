"""The figure of a run: zeros of each layer, errors and zeros over the epochs, and filters."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from sgl_jax._util.pytree import flatten_by_path
from sgl_jax.compaction.program import products
from sgl_jax.runs.costs import make_predictor
from sgl_jax.runs.experiment import Run
from sgl_jax.runs.records import Record


__all__ = ["COLORS", "draw_errors", "draw_filters", "draw_history", "find_first_filters"]

COLORS = ("#4477aa", "#ee6677", "#228833", "#aa3377")
"""Distinct in print and to the colour-blind (Tol's bright scheme)."""


def draw_history(
    runs: Mapping[str, Sequence[Record]], filters: Float[np.ndarray, "height width n"] | None
) -> Figure:
    """Draws sparsity per layer, error and sparsity over the epochs, and the first filters.

    Args:
      runs: by the name to show, the records of each run; the sparse network last.
      filters: filters of the first convolution of the sparse network; ``None`` if it has none.
    """
    *_, sparse = runs.values()
    figure = Figure(figsize=(12, 4), layout="constrained")
    left, middle, right = np.asarray(figure.subfigures(1, 3, width_ratios=(1, 1, 0.9)))
    _draw_layers(left.subplots(), sparse[-1])
    error, zeros = middle.subplots(2, 1, sharex=True)
    draw_errors(error, runs)
    _draw_zeros(zeros, sparse)
    _draw_filters(right, filters)
    return figure


def draw_filters(filters: Mapping[str, Float[np.ndarray, "height width n"]]) -> Figure:
    """Draws the filters of networks side by side, those that are dead crossed out.

    Args:
      filters: by the name to show, at least one.
    """
    figure = Figure(figsize=(4 * len(filters), 4), layout="constrained")
    parts = np.ravel(figure.subfigures(1, len(filters), squeeze=False))
    for part, (name, found) in zip(parts, filters.items(), strict=True):
        _draw_filters(part, found, name)
    return figure


def find_first_filters(run: Run) -> np.ndarray | None:
    """Finds the kernel of the convolution that runs first, averaged over its inputs, if any."""
    apply, (sparse, rest) = make_predictor(run)
    leaves, _ = flatten_by_path(sparse)
    try:
        found = products(lambda w, x: apply((w, rest), x), sparse, run.experiment.image)
    except ValueError:  # in a while loop or in a branch
        return None
    kernels = [leaves[product.kernel] for product in found if product.kernel]
    kernels = [kernel for kernel in kernels if kernel.ndim == 4]
    return np.asarray(kernels[0]).mean(axis=2) if kernels else None


def _draw_layers(axes: Axes, record: Record) -> None:
    names = [path.removesuffix("/kernel") for path in record.layers]
    at = np.arange(len(names))
    weights = [100 * (1 - layer.kept / layer.weights) for layer in record.layers.values()]
    groups = [100 * (1 - layer.live / layer.groups) for layer in record.layers.values()]
    for shift, shares, label in ((-0.2, weights, "weights"), (0.2, groups, "groups")):
        bars = axes.barh(at + shift, shares, 0.38, label=label, color=COLORS[shift > 0])
        axes.bar_label(bars, fmt="%.0f", padding=2, fontsize=8)
    axes.set(yticks=at, yticklabels=names, xlim=(0, 112), xlabel="exactly zero (%)")
    axes.set_title("What is gone from each layer")
    axes.invert_yaxis()
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, frameon=False)


def draw_errors(axes: Axes, runs: Mapping[str, Sequence[Record]]) -> None:
    """Draws the test errors of runs over the epochs; that of a sparse copy is dotted."""
    for (name, records), color in zip(runs.items(), COLORS, strict=False):
        epochs = [record.epoch for record in records]
        axes.plot(epochs, [100 * record.error for record in records], color=color, label=name)
        if any(record.gap for record in records):
            errors = [100 * record.sparse_error for record in records]
            axes.plot(epochs, errors, ":", color=color, label=f"{name}, v")
    lowest = min(record.error for records in runs.values() for record in records)
    scale = "log" if lowest > 0 else "linear"
    axes.set(yscale=scale, ylabel="test error (%)", title="How it came about")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.tick_params(axis="y", which="minor", labelsize=6)
    axes.legend(frameon=False, fontsize=8)


def _draw_zeros(axes: Axes, records: Sequence[Record]) -> None:
    """Draws the shares of zeros over the epochs, and what is left while a budget is followed."""
    epochs = [record.epoch for record in records]
    for attribute, label, color in (("weights", "weights", 0), ("groups", "groups", 1)):
        shares = [100 * getattr(record.sparsity, attribute) for record in records]
        axes.plot(epochs, shares, color=COLORS[color], label=f"{label} exactly zero")
    left = [(each.epoch, 100 * each.budget["measured"]) for each in records if each.budget]
    if left:
        axes.plot(*zip(*left, strict=True), "--", color=COLORS[2], label="size left (budget)")
    axes.set(xlabel="epoch", ylabel="share (%)", ylim=(0, 100))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=8)


def _draw_filters(
    figure: SubFigure,
    filters: Float[np.ndarray, "height width n"] | None,
    title: str = "Filters of the first layer (crossed out: dead)",
) -> None:
    figure.suptitle(title, fontsize="large")
    if filters is None:
        return
    count = filters.shape[-1]
    columns = math.ceil(math.sqrt(count))
    cells = figure.subplots(math.ceil(count / columns), columns, squeeze=False).ravel()
    limit = float(np.abs(filters).max()) or 1.0
    for j, axes in enumerate(cells):
        axes.set_axis_off()
        if j < count:
            axes.imshow(filters[..., j], cmap="RdBu", vmin=-limit, vmax=limit)
        if j < count and not filters[..., j].any():
            axes.plot([0, 1], [0, 1], transform=axes.transAxes, color="0.6", linewidth=1)
            axes.plot([0, 1], [1, 0], transform=axes.transAxes, color="0.6", linewidth=1)
