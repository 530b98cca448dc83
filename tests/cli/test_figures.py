"""The figure of a run: it shows what the records say."""

import numpy as np
import pytest
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from support.records import DENSE, SPARSE, SPLIT

from sgl_jax.cli._figures import COLORS, draw_history
from sgl_jax.metrics import Sparsity


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
    """Finds the lines with a name, as their points."""
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
        "weights exactly zero": [[1, 12.5], [2, 87.5]],
        "groups exactly zero": [[1, 0.0], [2, 25.0]],
    }
    assert axes.get_ylim() == (0, 100)


def test_figure_has_the_size_left_while_a_budget_is_followed():
    followed = [SPARSE._replace(epoch=1, budget={"measured": 0.5}), SPARSE._replace(epoch=2)]
    figure = draw_history({"sparse": followed}, None)
    (axes,) = [axes for axes in figure.axes if axes.get_xlabel() == "epoch"]
    assert drawn(axes)["size left (budget)"] == [[1, 50.0]]


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
