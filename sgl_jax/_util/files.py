"""Files and folders that may be read at any moment: what has its name is whole."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any


__all__ = ["append_json", "first_lines", "whole_folder", "write_whole"]


def first_lines(path: Path, count: int) -> list[str]:
    """The first lines of a file, with their ends; none if there is no file."""
    if not path.exists():
        return []
    return path.read_text(encoding="utf-8").splitlines(keepends=True)[:count]


def append_json(path: Path, found: dict[str, Any]) -> None:
    """Adds a line of JSON to a file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(found) + "\n")


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes a file whole or not at all."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which takes the place of what is there once the block is done.

    If the block raises, all stays as it was.

    Args:
      path: of the folder; those above it are made where missing.
    """
    part = _beside(path, "part")
    try:
        part.mkdir(parents=True)
        yield part
        with _removed(path):
            os.replace(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextlib.contextmanager
def _removed(path: Path) -> Iterator[None]:
    """Deletes a folder, at once, so that half of it never stays; it is back if the block raises."""
    old = _beside(path, "old")
    if path.exists():
        os.replace(path, old)
    try:
        yield
    except BaseException:
        if old.exists():
            os.replace(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _beside(path: Path, ending: str) -> Path:
    """A name beside a folder for what is not yet or no more in it; nothing is there."""
    path = path.with_name(f".{path.name}.{ending}")
    shutil.rmtree(path, ignore_errors=True)
    return path
