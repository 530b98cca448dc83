"""Tables from records."""

from collections.abc import Mapping

from rich.console import Group
from rich.table import Table

from sgl_jax.experiment import Record


__all__ = ["comparison"]


def comparison(records: Mapping[str, Record]) -> Group:
    """Several runs side by side: one table of errors and zeros, one of the layers.

    Args:
      records: by the name to show, runs of one model on one data set.
    """
    return Group(_errors(records), _layers(records))


def _errors(records: Mapping[str, Record]) -> Table:
    table = Table(title="Test errors and exact zeros at the last epoch")
    table.caption = "w: the trained weights; v: their thresholded copy, where splitting has zeros"
    table.add_column()
    for column in ("error of w", "error of v", "||w-v||/||w||", "zeros", "dead groups"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, record in records.items():
        split = record.gap > 0
        table.add_row(
            name,
            f"{record.error:.2%}",
            f"{record.sparse_error:.2%}" if split else "= w",
            f"{record.gap:.3f}" if split else "0",
            f"{record.sparsity.weights:.1%}",
            f"{record.sparsity.neurons:.1%}",
        )
    return table


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
