"""Lookup of a name: an entry of a catalogue, or an import path of the user's own."""

import difflib
import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import Any, TypeVar


__all__ = ["look_up", "look_up_factory", "make_unknown_error"]

T = TypeVar("T")


def look_up(kind: str, catalogue: Mapping[str, T], name: str) -> T | Any:
    """Looks up an entry of a catalogue by name, or a class or function by its import path.

    Args:
      kind: kind of the entries, for messages: ``"penalty"``.
      catalogue: the entries by name.
      name: a key of the catalogue, or ``package.module:Name``.

    Raises:
      ValueError: no entry has that name, or the import path leads to nothing that can be called.
    """
    if name in catalogue:
        return catalogue[name]
    if ":" in name:
        return _import(kind, name)
    raise make_unknown_error(kind, catalogue, name, "or give an import path, package.module:Name")


def look_up_factory(
    kind: str, catalogue: Mapping[str, Callable[..., T]], name: str
) -> Callable[..., T]:
    """Looks up a function like :func:`look_up`, with the path behind its name if it takes one.

    The colon of ``npz:FILE`` is that of an import path, too; an entry that takes a path goes first.

    Args:
      kind: kind of the entries, for messages.
      catalogue: functions by name, of which some take a ``path``.
      name: as in :func:`look_up`, or ``NAME:PATH`` for an entry that takes a path.

    Raises:
      ValueError: as in :func:`look_up`, or the path is missing.
    """
    entry, _, path = name.partition(":")
    if entry not in catalogue or "path" not in inspect.signature(catalogue[entry]).parameters:
        return look_up(kind, catalogue, name)
    if not path:
        raise ValueError(f"The {kind} {entry!r} needs a path, got {name!r}: write {entry}:PATH.")
    return _bind_path(catalogue[entry], path)


@cache
def _bind_path(factory: Callable[..., T], path: str) -> Callable[..., T]:
    """Binds the path to a function; one and the same object every time."""
    return partial(factory, path)


def make_unknown_error(kind: str, names: Iterable[str], name: str, also: str = "") -> ValueError:
    """Makes the error for a name that is none of ``names``, with the nearest of them."""
    names = sorted(names)
    near = difflib.get_close_matches(name.lower(), names, n=2, cutoff=0.5)
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    also = f", {also}" if also else ""
    return ValueError(f"unknown {kind} {name!r}{hint}; choose from {', '.join(names)}{also}.")


def _import(kind: str, path: str) -> Any:
    """Imports a class or function from ``package.module:Name``."""
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
