"""Files and folders that are whole at every moment, since they appear by one rename."""

import contextlib
import json
import os
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Any


__all__ = ["append_json", "read_first_lines", "replace_folder", "write_whole"]


def read_first_lines(path: Path, count: int) -> list[str]:
    """Reads the first lines of a file, with their ends; none if there is no file."""
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
def replace_folder(path: Path) -> Generator[Path, None, None]:
    """Replaces a folder by the one that the block has filled; on an error all stays as it was.

    Args:
      path: path of the folder; folders above it are made if they are missing.

    Yields:
      The path of the folder to fill.
    """
    part = _clear_sibling(path, "part")
    try:
        part.mkdir(parents=True)
        yield part
        with _move_aside(path):
            os.replace(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextlib.contextmanager
def _move_aside(path: Path) -> Generator[None, None, None]:
    """Moves a folder aside and deletes it after the block; moves it back if the block raises."""
    old = _clear_sibling(path, "old")
    if path.exists():
        os.replace(path, old)
    try:
        yield
    except BaseException:
        if old.exists():
            os.replace(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _clear_sibling(path: Path, ending: str) -> Path:
    """Names a path beside a folder, for its contents to come or to go; deletes what is there."""
    path = path.with_name(f".{path.name}.{ending}")
    shutil.rmtree(path, ignore_errors=True)
    return path
