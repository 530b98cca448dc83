"""The pages of the API reference: a page for each wing or public module, from its ``__all__``.

So a new public name comes to its page by itself, and a new wing needs a line here.
"""

import functools
import inspect
from pathlib import Path
from typing import Any

import sgl_jax as sgl


WINGS = {
    "algorithms": "Algorithms",
    "penalties": "Penalties and constraints",
    "regularizers": "Regularizers",
    "groups": "Groups",
    "compaction.channels": "Groups of channels",
    "transforms": "Optax links and budgets",
    "transforms.schedules": "Schedules of a strength",
    "metrics": "Metrics",
    "compaction": "Compaction",
}
"""Titles by the wing; its public names are those that ``sgl_jax`` lists."""

MODULES = {
    "modules": "Compaction of Flax modules",
    "artifacts": "Compacted networks on disk",
    "prox": "Proximal operators",
    "directions": "Directions",
    "reparametrizations": "Reparametrizations",
    "train": "Training",
    "many": "Many trainings at once",
    "placement": "Many devices",
    "models": "Models",
    "data": "Data sets",
    "scoring": "Sparse optimal scoring",
    "binarised": "A binarised network",
    "beamforming": "Beamforming for inference at the edge",
}
"""Titles by the public module, all of whose names are public."""


def find(path: str) -> Any:
    """Finds what a path below ``sgl_jax`` stands for."""
    return functools.reduce(getattr, path.split("."), sgl)


def public_names(page: str) -> list[str]:
    """Lists the public names of a page, as a user writes them behind ``sgl_jax.``."""
    here = find(page)
    names = here.__all__
    shared = [n for n in names if n in sgl.__all__ and getattr(sgl, n) is getattr(here, n)]
    own = [f"{page}.{name}" for name in names if page in MODULES and name not in shared]
    return [*shared, *own]


def entry(name: str) -> str:
    """Writes the directive that documents a name."""
    thing = find(name)
    if inspect.isclass(thing):
        # scikit-learn writes these methods, with links into its own pages.
        made = ", ".join(name for name in vars(thing) if name.endswith("_request"))
        without = f"   :exclude-members: {made}\n" if made else ""
        return f".. autoclass:: sgl_jax.{name}\n   :members:\n{without}"
    if callable(thing):
        return f".. autofunction:: sgl_jax.{name}\n"
    if isinstance(thing, dict):
        known = ", ".join(f"``{getattr(key, '__name__', key)}``" for key in thing)
        return f".. py:data:: sgl_jax.{name}\n\n   A catalogue, with the keys {known}.\n"
    return f".. py:data:: sgl_jax.{name}\n\n   In annotations, for ``{thing}``.\n"


def text(title: str, names: list[str]) -> str:
    """Writes the source of a page: a table of what can be called, then every name."""
    rows = "".join(f"   ~sgl_jax.{name}\n" for name in names if callable(find(name)))
    head = f"{title}\n{'=' * len(title)}\n\n.. autosummary::\n\n{rows}"
    return "\n".join([head, *map(entry, names)])


INDEX = """
API reference
=============

Every public name, from the docstrings. ``import sgl_jax as sgl`` makes all of them available: a
name such as ``sgl_jax.many.grid`` needs no import of its own.

.. toctree::
   :maxdepth: 1

"""


def write_pages(folder: Path) -> None:
    """Writes every page, and the index of them, into a folder."""
    folder.mkdir(exist_ok=True)
    pages = WINGS | MODULES
    rows = "".join(f"   {page}\n" for page in pages)
    (folder / "index.rst").write_text(INDEX + rows, encoding="utf-8")
    for page, title in pages.items():
        (folder / f"{page}.rst").write_text(text(title, public_names(page)), encoding="utf-8")
