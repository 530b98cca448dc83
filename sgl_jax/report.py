"""Tables from records."""

from collections.abc import Callable, Mapping

from rich.console import Group
from rich.table import Table

from sgl_jax.records import Record


__all__ = ["comparison"]


def comparison(records: Mapping[str, Record]) -> Group:
    """Several runs side by side: one table of what they are worth, one of their layers.

    Args:
      records: by the name to show, the last records of runs of one model on one data set.
    """
    return Group(_summary(records), _layers(records))


def _summary(records: Mapping[str, Record]) -> Table:
    table = Table(title="At the last epoch")
    table.add_column("")
    for name in records:
        table.add_column(name, justify="right", no_wrap=True)
    split = any(record.gap for record in records.values())
    for title, show in (_ROWS | _SPLITTING if split else _ROWS).items():
        table.add_row(title, *map(show, records.values()))
    table.caption = (
        "parameters, FLOPs: without dead filters and dead inputs; 2 FLOPs a multiply-add"
    )
    if split:
        table.caption = (
            f"w: trained weights; v: their thresholded copy, with the zeros\n{table.caption}"
        )
    return table


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


_ROWS: dict[str, Callable[[Record], str]] = {
    "test error": lambda record: f"{record.error:.2%}",
    "weights exactly zero": lambda record: f"{record.sparsity.weights:.1%}",
    "groups exactly zero": lambda record: f"{record.sparsity.neurons:.1%}",
    "parameters": lambda record: _count(record.parameters),
    "FLOPs": lambda record: _count(record.flops),
}

_SPLITTING: dict[str, Callable[[Record], str]] = {
    "test error of v": lambda record: f"{record.sparse_error:.2%}" if record.gap else "= w",
    "||w-v|| / ||w||": lambda record: f"{record.gap:.3f}" if record.gap else "0",
    "|w| under 1e-5: weights": lambda record: f"{record.w_sparsity.weights_paper:.1%}",
    "|w| under 1e-5: groups": lambda record: f"{record.w_sparsity.neurons_paper:.1%}",
}
"""To be known where the zeros are in a copy; the paper counts those of w, with a tolerance."""


def _layers(records: Mapping[str, Record]) -> Table:
    table = Table(title="Weights kept and live groups (filters, inputs of dense layers)")
    table.add_column("layer")
    for name in records:
        table.add_column(f"{name}\nweights", justify="right", no_wrap=True)
        table.add_column("\ngroups", justify="right", no_wrap=True)
    runs = [record.layers for record in records.values()]
    for path in runs[0]:
        counts = [count for layers in runs for count in (layers[path].kept, layers[path].live)]
        table.add_row(path.removesuffix("/kernel"), *(f"{count:,}" for count in counts))
    table.add_section()
    totals = [
        total
        for layers in runs
        for total in (sum(x.kept for x in layers.values()), sum(x.live for x in layers.values()))
    ]
    table.add_row("all", *(f"{total:,}" for total in totals))
    return table
