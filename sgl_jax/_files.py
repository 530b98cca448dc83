"""Small text files that may be read at any moment."""

import json
import os
from pathlib import Path
from typing import Any


__all__ = ["append_json", "first_lines", "write_whole"]


def first_lines(path: Path, count: int) -> list[str]:
    """The first lines of a file, with their ends; none if there is no file."""
    if not path.exists():
        return []
    return path.read_text(encoding="utf-8").splitlines(keepends=True)[:count]


def append_json(path: Path, found: dict[str, Any]) -> None:
    """Adds a line of JSON to a file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(found) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Writes a file whole or not at all."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
