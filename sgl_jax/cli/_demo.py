"""The demo: LeNet-5 on real digits, dense and made small by two methods, told by a page."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from sgl_jax.cli._course import draw_channels, draw_course
from sgl_jax.cli._figures import draw_filters, find_first_filters
from sgl_jax.cli._grid import Grid, to_rich
from sgl_jax.cli._page import Section, write_page
from sgl_jax.cli._progress import add_bar, make_bars
from sgl_jax.cli._tables import add_share
from sgl_jax.runs.config import Config
from sgl_jax.runs.costs import BATCHES, Cost, measure_costs
from sgl_jax.runs.experiment import Run, find_penalised, run


__all__ = ["demo"]

DEMO = {
    "splitting": Config(
        algorithm="splitting",
        penalty="transformed_l1",
        lam=0.15,
        beta=15.0,
        learning_rate=2e-3,
        finish=0.3,
    ),
    "prox_adam": Config.of({"target_flops": 0.12, "shrink_at": 0.5, "learning_rate": 2e-3}),
}
"""Configs that are trained beside the dense twin."""


class Trained(NamedTuple):
    """A run of the demo.

    Attributes:
      run: the run, to its end.
      seconds: seconds that it took, compilation included.
    """

    run: Run
    seconds: float


def demo(epochs: int = 30, seed: int = 0, page: Path = Path("runs/demo.html")) -> None:
    """Trains LeNet-5 on real digits three times: dense, by splitting, by proximal Adam to a budget.

    Args:
      epochs: passes over the data.
      seed: seed of the initial weights and of the order of the images.
      page: file of the page that shows what happened; one that is there is replaced.
    """
    chosen = {name: dataclasses.replace(c, epochs=epochs, seed=seed) for name, c in DEMO.items()}
    configs = {"dense": chosen["prox_adam"].twin(), **chosen}
    console = Console()
    with make_bars(console) as progress:
        trained = {n: _train(c, add_bar(progress, n, c)) for n, c in configs.items()}
    runs = {name: each.run for name, each in trained.items()}
    costs = measure_costs(runs["dense"], {name: runs[name] for name in chosen})
    grid = _tabulate(trained, costs, f"digits, {epochs} epochs each, seed {seed}.")
    console.print(to_rich(grid))
    write_page(page, "LeNet-5 on digits, made small", _tell(runs, grid))
    console.print(f"What happened: {page}")


def _train(config: Config, on_epoch: Callable) -> Trained:
    began = time.perf_counter()
    return Trained(run(config, on_epoch), time.perf_counter() - began)


def _tabulate(trained: Mapping[str, Trained], costs: Mapping[str, Cost], caption: str) -> Grid:
    """Tabulates errors, sizes and seconds of the compacted networks, with shares of the dense."""
    shares = {name: 1.0 - each.run.records[-1].sparsity.weights for name, each in trained.items()}
    rows = {
        "test error": {name: f"{cost.error:.2%}" for name, cost in costs.items()},
        "weights not zero": {name: f"{share:.1%}" for name, share in shares.items()},
        "parameters": _add_shares({n: cost.size.parameters for n, cost in costs.items()}, "{:,}"),
        "FLOPs of one image": _add_shares(
            {n: cost.size.flops for n, cost in costs.items()}, "{:,}"
        ),
        "bytes": _add_shares({n: cost.size.bytes for n, cost in costs.items()}, "{:,}"),
        **{
            f"ms, batch {batch}": _add_shares(
                {name: 1e3 * cost.seconds[batch] for name, cost in costs.items()}, "{:.3g}"
            )
            for batch in BATCHES
        },
        "seconds of training": {name: f"{each.seconds:.0f}" for name, each in trained.items()},
    }
    cells = tuple((title, *(row[name] for name in costs)) for title, row in rows.items())
    return Grid("Without dead channels", ("", *costs), cells, caption)


def _add_shares(values: Mapping[str, float], form: str) -> dict[str, str]:
    """Shows numbers with their shares of the first."""
    whole = next(iter(values.values()))
    return {n: add_share(form.format(value), value, whole, 0) for n, value in values.items()}


def _tell(runs: Mapping[str, Run], grid: Grid) -> list[Section]:
    """Tells what happened, in sections of a page."""
    records = {name: each.records for name, each in runs.items()}
    sections = [
        Section("Error and size over the epochs", _TEXTS["course"], draw_course(records)),
        Section("Channels alive", _TEXTS["channels"], draw_channels(records["prox_adam"])),
    ]
    filters = {name: find_first_filters(each) for name, each in runs.items()}
    found = {name: each for name, each in filters.items() if each is not None}
    if found:
        sections.append(
            Section("Filters of the first layer", _TEXTS["filters"], draw_filters(found))
        )
    return [
        Section(
            "The networks in the end", _TEXTS["table"] + _tell_splitting(runs["splitting"]), grid
        ),
        *sections,
    ]


def _tell_splitting(splitting: Run) -> str:
    """Tells the errors of both copies of the splitting before they became one."""
    before = find_penalised(splitting)
    if before is None:
        return ""
    return (
        " Before the splitting became one network, its weights w had an error of "
        f"{before.error:.2%} ({before.w_sparsity.weights_paper:.1%} of them under 1e-5, as the "
        f"paper counts), and their thresholded copy v one of {before.sparse_error:.2%}."
    )


_TEXTS = {
    "table": (
        "All three are LeNet-5, trained on the same digits for the same number of epochs. dense "
        "has no regularizer; splitting is the method of Bui and others (2021), finished on its "
        "support; prox_adam shrinks whole channels until its budget of FLOPs holds, and those that "
        "are dead leave at once. Sizes and times are those of the networks without dead channels."
    ),
    "course": (
        "Test error, and the share of weights that are not exactly zero. Dotted: the sparse copy v "
        "of the splitting, as long as it is another network than w."
    ),
    "channels": "Channels of each layer that still have a weight, in the training by prox_adam.",
    "filters": "Mean over the inputs of each filter; those that are dead are crossed out.",
}
