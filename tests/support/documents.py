"""Code blocks and tables of the project's Markdown pages."""

import itertools
import re
import shutil
from pathlib import Path


ROOT = Path(__file__).parents[2]


def read(page: str) -> str:
    """Reads a page in the repository's root."""
    return (ROOT / page).read_text(encoding="utf-8")


def python_blocks(page: str) -> list[str]:
    """Finds the fenced Python blocks of a page, in order."""
    return re.findall(r"^```python\n(.*?)^```", read(page), flags=re.MULTILINE | re.DOTALL)


def plain_blocks(page: str) -> list[str]:
    """Finds the fenced blocks of a page that name no language, in order."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", read(page), flags=re.MULTILINE | re.DOTALL)
    return [block for language, block in blocks if not language]


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
