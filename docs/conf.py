"""Settings of the documentation site; ``make docs`` builds it into ``docs/_build/html``."""

import sys
from importlib import metadata
from pathlib import Path


sys.path.insert(0, str(Path(__file__).parent))

from reference import write_pages
from sphinx.util.typing import stringify_annotation

from sgl_jax._util import typing


project = "sgl_jax"
author = "The sgl_jax authors"
copyright = "2026, the sgl_jax authors"
release = metadata.version("sgl-jax")
html_title = "sgl_jax"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx-mathjax-offline",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]

# Notebooks are shown as stored; `make notebooks` executes them.
nb_execution_mode = "off"
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 3

autosummary_generate = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_inherit_docstrings = False
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False
napoleon_custom_sections = [("At a glance", "params_style")]
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"

html_theme = "sphinx_book_theme"
html_theme_options = {"navbar_persistent": [], "show_toc_level": 2}
html_context = {"default_mode": "auto"}
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
copybutton_exclude = ".linenos, .gp, .go"


def shorten_types(app, what, name, obj, options, signature, returns):
    """Writes type aliases of the package by name, not as the unions that they stand for."""
    for alias in ("ScalarOrSchedule", "ArrayLike"):
        union = stringify_annotation(getattr(typing, alias), "smart")
        signature, returns = (text and text.replace(union, alias) for text in (signature, returns))
    return signature, returns


def find_by_last_name(app, env, node, contnode):
    """Resolves a function or class that a docstring names without its module."""
    if node.get("reftype") not in ("func", "class") or node.get("refspecific"):
        return None
    node["refspecific"] = True
    domain, page = env.domains["py"], node.get("refdoc")
    kind, target = node["reftype"], node["reftarget"]
    return domain.resolve_xref(env, page, app.builder, kind, target, node, contnode)


def skip_fields(app, what, name, obj, skip, options):
    """Leaves out the fields of named tuples, which the text of the class explains."""
    return skip or (getattr(obj, "__doc__", "") or "").startswith("Alias for field number") or None


def setup(app):
    """Writes the pages of the API reference before the build reads its sources."""
    write_pages(Path(app.srcdir) / "api")
    app.connect("autodoc-process-signature", shorten_types)
    app.connect("autodoc-skip-member", skip_fields)
    app.connect("missing-reference", find_by_last_name)
