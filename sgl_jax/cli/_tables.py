"""Tables: runs side by side, the costs of networks, the result of a compaction."""

from collections.abc import Callable, Mapping

from rich.console import Group
from rich.table import Table
from rich.text import Text

from sgl_jax.compaction import Report
from sgl_jax.metrics import Storage
from sgl_jax.runs.costs import Cost
from sgl_jax.runs.records import Record


__all__ = [
    "PENALISED",
    "add_share",
    "tabulate_compaction",
    "tabulate_costs",
    "tabulate_records",
    "tabulate_storage",
]


PENALISED = "penalised"
"""Name of the record of a run just before its last epochs, which are without penalty."""


def tabulate_records(records: Mapping[str, Record], groups: str = "neurons") -> Group:
    """Tabulates runs side by side: one table of errors and zeros, one of their layers.

    Args:
      records: by the name to show, the last records of runs of one model on one data set.
      groups: name of the groups that they count.
    """
    return Group(_tabulate_summary(records), _tabulate_layers(records, groups))


def _tabulate_summary(records: Mapping[str, Record]) -> Table:
    table = Table(title="At the last epoch")
    table.add_column("")
    for name in records:
        table.add_column(name, justify="right", no_wrap=True)
    split = any(record.gap for record in records.values())
    for title, show in (_ROWS | _SPLITTING if split else _ROWS).items():
        table.add_row(title, *map(show, records.values()))
    said = ["w: trained weights; v: their thresholded copy, with the zeros"] if split else []
    if PENALISED in records:
        said.append(f"{PENALISED}: before the last epochs, in which no penalty acts")
    table.caption = "\n".join(said) or None
    return table


_ROWS: dict[str, Callable[[Record], str]] = {
    "test error": lambda record: f"{record.error:.2%}",
    "weights exactly zero": lambda record: f"{record.sparsity.weights:.1%}",
    "groups exactly zero": lambda record: f"{record.sparsity.groups:.1%}",
}

_SPLITTING: dict[str, Callable[[Record], str]] = {
    "test error of v": lambda record: f"{record.sparse_error:.2%}" if record.gap else "= w",
    "||w-v|| / ||w||": lambda record: f"{record.gap:.3f}" if record.gap else "0",
    "|w| under 1e-5: weights": lambda record: f"{record.w_sparsity.weights_paper:.1%}",
    "|w| under 1e-5: groups": lambda record: f"{record.w_sparsity.groups_paper:.1%}",
}
"""Rows for zeros that are in a copy; the paper counts those of w, with a tolerance."""


_GROUPS = {"neurons": "filters, inputs of dense layers"}
"""Groups in words, where their name does not say what they are."""


def _tabulate_layers(records: Mapping[str, Record], groups: str) -> Table:
    table = Table(title=f"Weights kept and live groups ({_GROUPS.get(groups, groups)})")
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


def tabulate_costs(costs: Mapping[str, Cost]) -> Table:
    """Tabulates the costs of networks side by side, and their shares of the first.

    Args:
      costs: by the name to show; those of the full network first.
    """
    table = Table(title="Without dead channels")
    table.add_column("")
    for name in costs:
        table.add_column(name, justify="right", no_wrap=True)
    full, *_ = costs.values()
    table.add_row("test error", *(f"{cost.error:.2%}" for cost in costs.values()))
    for title, name in (("parameters", "parameters"), ("FLOPs", "flops"), ("bytes", "bytes")):
        sizes = [getattr(cost.size, name) for cost in costs.values()]
        table.add_row(title, *(add_share(f"{size:,}", size, sizes[0]) for size in sizes))
    for batch, first in full.seconds.items():
        medians = [cost.seconds[batch] for cost in costs.values()]
        cells = (add_share(f"{1e3 * median:.3g} ms", median, first) for median in medians)
        table.add_row(f"latency, batch {batch}", *cells)
    table.caption = (
        "FLOPs: of one image, 2 a multiply-add\n"
        "latency: when it was compacted; medians of rounds in which the networks take turns"
    )
    return table


def add_share(shown: str, value: float | int, whole: float | int, digits: int = 1) -> str:
    """Adds the share of a whole to what is shown of a value; a dash for nothing.

    Args:
      shown: the value as text.
      value: the value.
      whole: the whole; nothing is added to it.
      digits: decimals of the percentage.
    """
    if not value:
        return "-"
    return shown if value == whole else f"{shown} ({value / whole:.{digits}%})"


def tabulate_compaction(report: Report) -> Group:
    """Tabulates the leaves that a compaction made smaller, with the notes of its report.

    Args:
      report: report of the compaction.
    """
    table = Table(title="Leaves that became smaller")
    for title in ("leaf", "full", "compact"):
        table.add_column(title, justify="left" if title == "leaf" else "right", no_wrap=True)
    for change in report.changes:
        table.add_row(*change)
    return Group(*([table] if report.changes else []), *map(Text, report.notes))


def tabulate_storage(storage: Storage | None) -> Group:
    """Tabulates the storage of a network on levels by every definition; nothing for another.

    Args:
      storage: the storage.
    """
    if storage is None:
        return Group()
    table = Table(title="Storage on levels")
    for title in ("", "size", "times smaller"):
        table.add_column(title, justify="right" if title else "left", no_wrap=True)
    sizes = {
        "weights, before compaction": (storage.kept_before, "{:,}"),
        "weights": (storage.kept, "{:,}"),
        "data of weights": (storage.data_bits / 8, "{:,.0f} bytes"),
        "weights with indices": (storage.indexed_bits / 8, "{:,.0f} bytes"),
        "file": (storage.file_bytes, "{:,} bytes"),
    }
    for name, (size, form) in sizes.items():
        if size is not None:
            rate = storage.rates.get(name)
            table.add_row(name, form.format(size), "-" if rate is None else f"{rate:,.1f}")
    table.caption = (
        f"of {storage.weights:,} weights, {storage.dense_bytes / 1000:,.1f} kB with biases as "
        "float32\n"
        "data: bits of the values of the kept weights alone; indices: of each, relative to the last"
        "\nfile: an archive with everything in it, biases too"
    )
    return Group(table)
