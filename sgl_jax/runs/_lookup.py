"""From a word to the thing it names: an entry of a catalogue, or an import path."""

import difflib
import importlib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar


__all__ = ["lookup", "unknown"]

T = TypeVar("T")


def lookup(kind: str, catalogue: Mapping[str, T], name: str) -> T | Any:
    """An entry of a catalogue by its name, or something of the user's own by its import path.

    Args:
      kind: what the catalogue holds, for messages: ``"penalty"``.
      catalogue: what is found by name.
      name: a key of the catalogue, or ``package.module:Name``.

    Raises:
      ValueError: no entry has that name, or the import path leads to nothing that can be called.
    """
    if name in catalogue:
        return catalogue[name]
    if ":" in name:
        return _imported(kind, name)
    raise unknown(kind, catalogue, name, "or give an import path, package.module:Name")


def unknown(kind: str, names: Iterable[str], name: str, also: str = "") -> ValueError:
    """The error for a name that is none of ``names``, with the nearest of them."""
    names = sorted(names)
    near = difflib.get_close_matches(name.lower(), names, n=2, cutoff=0.5)
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    also = f", {also}" if also else ""
    return ValueError(f"unknown {kind} {name!r}{hint}; choose from {', '.join(names)}{also}.")


def _imported(kind: str, path: str) -> Any:
    module, _, name = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"A {kind} by import path needs package.module:Name that can be imported from here, "
            f"got {path!r}: {error}."
        ) from error
    if not callable(found):
        raise ValueError(
            f"A {kind} by import path needs a class or function, got {path!r}, which is of type "
            f"{type(found).__name__}."
        )
    return found
