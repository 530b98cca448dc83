"""Tables: they show what the records and reports say."""

import io
import re

from rich.console import Console
from support.records import DENSE, SPARSE, SPLIT

from sgl_jax.cli._tables import tabulate_compaction, tabulate_costs, tabulate_records
from sgl_jax.compaction import Report, Size
from sgl_jax.runs.costs import Cost


def shown(**records):
    return printed(tabulate_records(records))


def printed(renderable):
    """Prints to a string; returns it, and the rows of its tables by their first cell."""
    console = Console(width=200, file=io.StringIO())
    console.print(renderable)
    text = console.file.getvalue()
    rows = [re.split(r"\s*[│┃]\s*", line)[1:-1] for line in text.splitlines() if line[0] in "│┃"]
    return text, {row[0]: row[1:] for row in rows}


def test_table_shows_what_runs_are_worth_side_by_side():
    text, rows = shown(dense=DENSE, prox=SPARSE)
    assert re.search(r"┃ +dense ┃ +prox ┃", text)
    assert rows["test error"] == ["1.25%", "2.00%"]
    assert rows["weights exactly zero"] == ["0.0%", "87.5%"]
    assert rows["groups exactly zero"] == ["0.0%", "25.0%"]


def test_table_shows_both_copies_of_a_splitting():
    text, rows = shown(dense=DENSE, splitting=SPLIT)
    assert rows["test error"] == ["1.25%", "2.00%"]
    assert rows["test error of v"] == ["= w", "3.25%"]
    assert rows["||w-v|| / ||w||"] == ["0", "0.125"]
    assert rows["weights exactly zero"] == ["0.0%", "87.5%"]
    assert rows["|w| under 1e-5: weights"] == ["0.0%", "62.5%"]
    assert rows["|w| under 1e-5: groups"] == ["0.0%", "37.5%"]
    assert "v: their thresholded copy" in text


def test_table_says_nothing_of_copies_where_there_is_no_splitting():
    text, rows = shown(dense=DENSE, prox=SPARSE)
    assert "test error of v" not in rows
    assert "thresholded copy" not in text


def test_table_says_when_a_penalised_network_was_measured():
    text, _ = shown(dense=DENSE, penalised=SPARSE, sparse=SPARSE)
    assert "penalised: before the last epochs" in text
    assert "penalised" not in shown(dense=DENSE, sparse=SPARSE)[0]


def test_table_counts_weights_and_groups_of_every_layer_and_in_all():
    text, rows = shown(dense=DENSE, prox=SPARSE)
    assert rows[""] == ["dense", "", "prox", ""]
    assert rows["layer"] == ["weights", "groups"] * 2
    assert rows["conv1"] == ["500", "20", "125", "9"]
    assert rows["fc1"] == ["40,000", "800", "1,234", "567"]
    assert rows["all"] == ["40,500", "820", "1,359", "576"]
    assert "kernel" not in text


def test_table_of_one_run_has_one_column():
    _, rows = shown(sparse=SPLIT)
    assert rows["test error of v"] == ["3.25%"]
    assert rows["all"] == ["1,359", "576"]


COSTS = {
    "dense": Cost(0.0125, Size(431_080, 4_586_000, 1_724_320), {1: 2e-4, 256: 0.05}),
    "prox": Cost(0.02, Size(43_108, 458_600, 172_432), {1: 1e-4, 256: 0.0123456}),
}


def test_costs_are_shown_beside_their_share_of_the_whole():
    text, rows = printed(tabulate_costs(COSTS))
    assert rows["test error"] == ["1.25%", "2.00%"]
    assert rows["parameters"] == ["431,080", "43,108 (10.0%)"]
    assert rows["FLOPs"] == ["4,586,000", "458,600 (10.0%)"]
    assert rows["bytes"] == ["1,724,320", "172,432 (10.0%)"]
    assert rows["latency, batch 1"] == ["0.2 ms", "0.1 ms (50.0%)"]
    assert rows["latency, batch 256"] == ["50 ms", "12.3 ms (24.7%)"]
    assert "medians of rounds" in text


def test_flops_that_cannot_be_counted_are_a_dash():
    costs = {name: cost._replace(size=Size(5, 0, 20)) for name, cost in COSTS.items()}
    assert printed(tabulate_costs(costs))[1]["FLOPs"] == ["-", "-"]


def test_compaction_shows_leaves_and_what_there_is_to_say():
    size = Size(1, 2, 3)
    shapes = {"conv/kernel": ((5, 5, 1, 20), (5, 5, 1, 9)), "conv/bias": ((20,), (9,))}
    report = Report(shapes, size, size, 1e-7, 2.0, kept=("1 of [b]: reason",), folded=("fc/bias",))
    text, rows = printed(tabulate_compaction(report))
    assert rows["conv/kernel"] == ["5x5x1x20", "5x5x1x9"]
    assert rows["conv/bias"] == ["20", "9"]
    for line in ("largest difference: 1.0e-07", "1 of [b]: reason", "took up constants: fc/bias"):
        assert line in text
    assert "leaf" not in printed(tabulate_compaction(Report({}, size, size, 0.0, 1.0)))[0]
