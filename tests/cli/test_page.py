"""A page is one file that shows figures and tables without a network."""

from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure

from sgl_jax.cli._grid import Grid, to_rich
from sgl_jax.cli._page import Section, write_page


GRID = Grid("Sizes", ("", "dense", "a <small> one"), (("bytes", "4,000", "1,000 (25%)"),), "a & b")


class Reader(HTMLParser):
    """Tags, the cells of tables and the addresses of a page."""

    def __init__(self):
        super().__init__()
        self.open, self.cells, self.addresses, self.tags = [], [], [], set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag in ("td", "th"):
            self.cells.append("")
        self.open.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1] += data


@pytest.fixture
def page(tmp_path):
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([1, 2], [3, 4])
    path = tmp_path / "new" / "page.html"
    write_page(
        path, "Two & two", [Section("A figure", "1 < 2", figure), Section("A table", "", GRID)]
    )
    return path.read_text(encoding="utf-8")


def test_page_has_figures_and_tables_and_needs_no_other_file(page):
    reader = Reader()
    reader.feed(page)
    assert {"svg", "table", "h1", "h2"} <= reader.tags
    assert reader.tags.isdisjoint({"script", "link", "img", "iframe"})
    assert all(address.startswith("#") for address in reader.addresses)
    assert reader.cells == ["", "dense", "a <small> one", "bytes", "4,000", "1,000 (25%)"]


def test_text_is_text_and_no_markup(page):
    for shown in ("Two &amp; two", "1 &lt; 2", "a &lt;small&gt; one", "a &amp; b"):
        assert shown in page


def test_figure_has_a_name_for_those_who_do_not_see_it(page):
    assert '<svg role="img" aria-label="A figure"' in page


def test_terminal_shows_the_same_cells():
    table = to_rich(GRID)
    assert [column.header for column in table.columns] == list(GRID.columns)
    assert [list(column.cells) for column in table.columns] == [[cell] for cell in GRID.rows[0]]
