"""Catalogues: packages in which every public file holds one thing to choose."""

import inspect
from collections.abc import Mapping
from typing import Any


__all__ = ["by_file", "exported"]


def by_file(package: str, names: Mapping[str, Any]) -> dict[str, Any]:
    """Collects what a package imports from its public files, one thing from each.

    Args:
      package: dotted name of the package.
      names: its globals.

    Returns:
      Every class or function that a file without a leading underscore defines, by the name of
      the file, sorted.
    """
    found = {}
    for thing in names.values():
        folder, _, file = (getattr(thing, "__module__", None) or "").rpartition(".")
        if folder == package and not file.startswith("_"):
            found[file] = thing
    return dict(sorted(found.items()))


def exported(names: Mapping[str, Any]) -> list[str]:
    """Lists the public names of a module that imports nothing but what it exports.

    Args:
      names: its globals, in which submodules do not count.
    """
    public = (name for name, thing in names.items() if not inspect.ismodule(thing))
    return sorted(name for name in public if not name.startswith("_"))
