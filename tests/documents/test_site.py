"""The documentation site: it builds without a warning, its links lead somewhere, it looks right."""

import html.parser
import importlib.util
import subprocess
import sys
import urllib.parse

import pytest
from support import browser
from support.documents import ROOT

import sgl_jax as sgl


spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reference)


def test_reference_has_every_public_name_once():
    pages = reference.WINGS | reference.MODULES
    found = [name for page in pages for name in reference.public_names(page)]
    assert len(found) == len(set(found))
    assert set(sgl.__all__) - {"directions", "prox"} <= set(found)


def test_symlink_leads_to_the_notebooks():
    assert (ROOT / "docs" / "tutorials").resolve() == ROOT / "notebooks"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, built with warnings as errors."""
    pytest.importorskip("sphinx", reason="sphinx is not installed: pip install '.[docs]'")
    folder = tmp_path_factory.mktemp("site") / "html"
    found = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "docs", str(folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert (found.returncode, found.stderr) == (0, "")
    return folder


class Page(html.parser.HTMLParser):
    """Links and anchors of a page.

    Attributes:
      links: what it links to or loads, with the tag.
      anchors: the names of its places.
    """

    def __init__(self, text):
        super().__init__()
        self.links, self.anchors = [], {""}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("href", "src") and value is not None:
                self.links.append((tag, value))
            if name == "id":
                self.anchors.add(value)


@pytest.fixture(scope="module")
def pages(site):
    """The pages of the site by their paths."""
    found = (path for path in site.rglob("*.html") if "_static" not in path.parts)
    return {path: Page(path.read_text(encoding="utf-8")) for path in found}


@pytest.mark.slow
def test_links_lead_somewhere(pages):
    assert len(pages) > 40
    broken = []
    for path, page in pages.items():
        for tag, link in page.links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc:
                # Only a reader who clicks goes to other hosts; the page itself loads from none.
                assert tag == "a" or parts.scheme == "data", (path, link)
                continue
            target = (path.parent / urllib.parse.unquote(parts.path)) if parts.path else path
            target = target.resolve()
            anchors = pages[target].anchors if target in pages else {""}
            if not target.exists() or urllib.parse.unquote(parts.fragment) not in anchors:
                broken.append((path.name, link))
    assert not broken


@pytest.mark.slow
@pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium, found none")
def test_browser_shows_every_page(site, pages, tmp_path):
    paths = sorted(str(path.relative_to(site)) for path in pages)
    found, missing = browser.visit(site, paths, tmp_path)
    assert [seen["page"] for seen in found] == paths
    assert [path for path in missing if path != "/favicon.ico"] == []
    for seen in found:
        assert seen["complaints"] == [], seen
        assert seen["plain"] == seen["wrong"] == seen["blank"] == 0, seen
        assert seen["height"] > 300, seen
    assert sum(seen["formulas"] for seen in found) > 300


@pytest.mark.slow
@pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium, found none")
def test_browser_sees_what_is_wrong(tmp_path):
    (tmp_path / "page.html").write_text(
        """<html><head></head><body><span class="math">x</span><img src="none.png">
        <script src="https://example.com/script.js"></script>
        <script>console.error("oh"); nothing();</script></body></html>"""
    )
    (seen,), missing = browser.visit(tmp_path, ["page.html"], tmp_path / "profile")
    assert (seen["formulas"], seen["plain"], seen["blank"]) == (1, 1, 1)
    assert "/none.png" in missing
    said = "\n".join(seen["complaints"])
    for words in ("oh", "nothing is not defined", "example.com/script.js", "none.png"):
        assert words in said
