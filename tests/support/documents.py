"""Code blocks and tables of the project's Markdown pages."""

import itertools
import re
import shutil
from pathlib import Path


ROOT = Path(__file__).parents[2]


def read(page: str) -> str:
    """Reads a page in the repository's root."""
    return (ROOT / page).read_text(encoding="utf-8")


def fenced_blocks(page: str, *languages: str) -> list[str]:
    """Finds the fenced blocks of a page that name one of these languages, in order."""
    blocks = re.findall(r"^```(.*)\n((?s:.*?))^```", read(page), flags=re.MULTILINE)
    return [block for language, block in blocks if language in languages]


def python_blocks(page: str) -> list[str]:
    """Finds the fenced Python blocks of a page, in order."""
    return fenced_blocks(page, "python")


def plain_blocks(page: str) -> list[str]:
    """Finds the fenced blocks of a page that name no language, in order."""
    return fenced_blocks(page, "")


def table_rows(page: str, head: str) -> list[list[str]]:
    """Finds the rows of the table under a head, as their cells without backticks."""
    lines = itertools.dropwhile(lambda line: line != head, read(page).splitlines())
    _, _, *rest = lines
    rows = itertools.takewhile(lambda line: line.startswith("|"), rest)
    return [[cell.strip(" `") for cell in row.strip("|").split("|")] for row in rows]


def copied(folder: Path) -> Path:
    """Copies the package, its tests, pages and settings into a folder, for a recipe to change."""
    ignore = shutil.ignore_patterns("__pycache__", "_build", "api")
    for name in ("benchmarks", "docs", "sgl_jax", "tests"):
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=ignore)
    for name in ("CONTRIBUTING.md", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    return folder
