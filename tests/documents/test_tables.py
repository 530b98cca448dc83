"""Tables and pictures of the pages are those of the catalogues and of the records."""

import pytest
from support import costs, tables
from support.documents import ROOT

import sgl_jax as sgl


@pytest.mark.parametrize("page", tables.FILES)
def test_file_is_that_of_catalogues_and_records(page):
    assert (ROOT / page).read_text(encoding="utf-8") == tables.FILES[page](), "run make tables"


@pytest.mark.parametrize(
    "name",
    [
        *sgl.ALGORITHMS,
        *sgl.directions.DIRECTIONS,
        *(name for name in sgl.__all__ if name.startswith("by_")),
    ],
)
def test_page_names_every_entry_of_the_catalogues(name):
    assert f"`{name}" in (ROOT / "docs/choosing.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sgl.PENALTIES | sgl.CONSTRAINTS)
def test_docstring_says_all_at_a_glance(name):
    cls = (sgl.PENALTIES | sgl.CONSTRAINTS)[name]
    found, of_penalty = tables.glance(cls), name in sgl.PENALTIES
    titles = ["phi", "its prox jumps", "large weights lose", "source"]
    assert list(found) == (titles if of_penalty else ["what it demands"])
    assert all(found.values())
    assert not of_penalty or found["source"][-4:].isdigit()


def test_a_figure_over_its_limit_has_a_star():
    page = (ROOT / "benchmarks/README.md").read_text(encoding="utf-8")
    (row,) = (line for line in page.splitlines() if line.startswith("| `exclusive` | | "))
    figures = costs.record("prox")["figures"]
    (figure,) = costs.selected(figures, operator="exclusive")
    assert (figure["to_copy"] > figure["limit"]) == ("*" in row)
    assert f"{figure['to_copy']:.1f}" in row
