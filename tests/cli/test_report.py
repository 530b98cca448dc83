"""Tables and figures: what they show is what the records say."""

import io
import re

import numpy as np
import pytest
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from rich.console import Console

from sgl_jax.cli._figures import COLORS, draw_history
from sgl_jax.cli._tables import tabulate_compaction, tabulate_costs, tabulate_records
from sgl_jax.compaction import Report, Size
from sgl_jax.metrics import Sparsity
from sgl_jax.runs.costs import Cost
from sgl_jax.runs.records import Layer, Record


NONE = Sparsity(0.0, 0.0, 0.0, 0.0)

LAYERS = {"conv1/kernel": Layer(500, 500, 20, 20), "fc1/kernel": Layer(40_000, 40_000, 800, 800)}

DENSE = Record(2, 0.25, 0.0125, 0.04, 0.0125, 0.0, NONE, NONE, LAYERS)

SPARSE = DENSE._replace(
    error=0.02,
    sparse_error=0.02,
    sparsity=Sparsity(0.875, 0.25, 0.875, 0.25),
    w_sparsity=Sparsity(0.875, 0.25, 0.875, 0.25),
    layers={"conv1/kernel": Layer(125, 500, 9, 20), "fc1/kernel": Layer(1_234, 40_000, 567, 800)},
)

SPLIT = SPARSE._replace(
    sparse_error=0.0325,
    gap=0.125,
    w_sparsity=Sparsity(0.0, 0.0, 0.625, 0.375),
)


def shown(**records):
    return printed(tabulate_records(records))


def printed(renderable):
    """The rows of the tables by their first cell, each the list of the others."""
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


def test_prices_are_shown_beside_their_share_of_the_whole():
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


RUNS = {
    "dense": [DENSE._replace(epoch=1, error=0.5), DENSE],
    "sparse": [
        SPLIT._replace(epoch=1, error=0.75, sparsity=Sparsity(0.125, 0.0, 0.125, 0.0)),
        SPLIT,
    ],
}

FILTERS = np.random.default_rng(0).standard_normal((5, 4, 7)).astype(np.float32)
FILTERS[..., [2, 5]] = 0


@pytest.fixture(scope="module")
def figure():
    return draw_history(RUNS, FILTERS)


def titled(figure, title):
    (axes,) = [axes for axes in figure.axes if axes.get_title() == title]
    return axes


def drawn(axes):
    """The lines with a name, as their points."""
    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    return {name: points for name, points in lines.items() if not name.startswith("_")}


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_figure_can_be_saved(figure, tmp_path):
    assert isinstance(figure, Figure)
    figure.savefig(tmp_path / "figure.png", dpi=40)
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_figure_has_bars_of_what_is_gone_from_each_layer(figure):
    axes = titled(figure, "What is gone from each layer")
    weights, groups = ([bar.get_width() for bar in bars] for bars in axes.containers)
    np.testing.assert_allclose(weights, [75.0, 100 * (1 - 1_234 / 40_000)])
    np.testing.assert_allclose(groups, [55.0, 100 * (1 - 567 / 800)])
    assert [text.get_text() for text in axes.texts] == ["75", "97", "55", "29"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["conv1", "fc1"]
    assert legend(axes) == ["weights", "groups"]
    assert axes.yaxis_inverted()
    for bars in axes.containers:
        np.testing.assert_allclose([round(bar.get_center()[1]) for bar in bars], [0, 1])


def test_figure_has_the_errors_of_all_runs_and_of_both_copies(figure):
    axes = titled(figure, "How it came about")
    expected = {
        "dense": [[1, 50.0], [2, 1.25]],
        "sparse": [[1, 75.0], [2, 2.0]],
        "sparse, v": [[1, 3.25], [2, 3.25]],
    }
    assert drawn(axes).keys() == expected.keys()
    for name, points in drawn(axes).items():
        np.testing.assert_allclose(points, expected[name])
    dense, sparse, copy = axes.lines
    assert same_color(dense.get_color(), COLORS[0])
    assert same_color(sparse.get_color(), copy.get_color())
    assert not same_color(dense.get_color(), sparse.get_color())
    assert legend(axes) == list(expected)


def test_figure_has_the_zeros_of_the_sparse_run(figure):
    (axes,) = [axes for axes in figure.axes if axes.get_xlabel() == "epoch"]
    assert drawn(axes) == {
        "weights": [[1, 12.5], [2, 87.5]],
        "groups": [[1, 0.0], [2, 25.0]],
    }
    assert axes.get_ylim() == (0, 100)


def test_figure_has_an_image_per_filter_and_crosses_the_dead_out(figure):
    pictured = [axes for axes in figure.axes if axes.images]
    assert len(pictured) == 7
    for j, axes in enumerate(pictured):
        np.testing.assert_array_equal(axes.images[0].get_array(), FILTERS[..., j])
        assert len(axes.lines) == (2 if j in (2, 5) else 0)
        low, high = axes.images[0].get_clim()
        assert -low == high == np.abs(FILTERS).max()


@pytest.mark.parametrize("filters", [None, np.zeros((5, 5, 1), np.float32)], ids=["none", "dead"])
def test_figure_is_drawn_without_living_filters(filters, tmp_path):
    figure = draw_history({"prox": [SPARSE]}, filters)
    images = [image for axes in figure.axes for image in axes.images]
    assert len(images) == (filters is not None)
    assert list(drawn(titled(figure, "How it came about"))) == ["prox"]
    figure.savefig(tmp_path / "figure.png", dpi=40)
