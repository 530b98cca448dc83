"""The tables of the pages that follow from catalogues and records, and the picture of the README.

``python -m support.tables`` rewrites them.
"""

import functools
import inspect
import itertools
import re

import sgl_jax as sgl
from sgl_jax.compaction.rules import FAMILIES, table
from support.costs import of_costs
from support.documents import ROOT
from support.picture import draw


def glance(cls: type) -> dict[str, str]:
    """The section "At a glance" of a docstring, by title, in Markdown."""
    section = re.search(r"^At a glance:\n((?:  .*\n)+)", inspect.getdoc(cls), re.MULTILINE)
    assert section, f"the docstring of {cls.__name__} needs a section 'At a glance'"
    found = re.findall(r"^  ([\w ]+): (.*(?:\n    .*)*)", section.group(1), re.MULTILINE)
    return {title: markdown(" ".join(text.split())) for title, text in found}


def markdown(text: str) -> str:
    """Text with the mathematics and code of reStructuredText in those of Markdown."""
    return re.sub(r":math:`(.+?)`", r"$\1$", text).replace("``", "`")


def default_shape(cls: type) -> str:
    """The shape parameters of a penalty, as formulas."""
    found = inspect.signature(cls).parameters.values()
    numbers = {each.name: each.default for each in found if isinstance(each.default, float)}
    symbols = {name: name if len(name) == 1 else "\\" + name for name in numbers}
    return ", ".join(f"${symbols[name]} = {value:g}$" for name, value in numbers.items())


def of_penalties() -> list[list[str]]:
    """The rows of the table of penalties, its head first."""
    heads = ["$\\phi(t)$", "default shape", "its prox jumps", "large weights lose", "source"]
    rows = [["penalty", *heads]]
    for cls in sgl.PENALTIES.values():
        cells = glance(cls) | {"default shape": default_shape(cls)}
        cells[heads[0]] = cells["phi"]
        rows.append([f"`{cls.__name__}`", *(cells[head] for head in heads)])
    return rows


def of_constraints() -> list[list[str]]:
    """The rows of the table of constraints, its head first."""
    head = "what it demands"
    rows = [[f"`{cls.__name__}`", glance(cls)[head]] for cls in sgl.CONSTRAINTS.values()]
    return [["constraint", head], *rows]


def in_markdown(rows: list[list[str]]) -> str:
    """A table, its head first."""
    head, *body = [
        "|" + "".join(f" {cell} |" if cell else " |" for cell in cells) for cells in rows
    ]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])


def replaced(page: str, table: str) -> str:
    """A page with a table in the place of the one with the same head."""
    lines, new = page.splitlines(), table.splitlines()
    start = lines.index(new[0])
    old = itertools.takewhile(lambda line: line.startswith("|"), lines[start:])
    lines[start : start + len([*old])] = new
    return "\n".join(lines) + "\n"


TABLES = {
    "benchmarks/README.md": lambda: [in_markdown(rows) for rows in of_costs()],
    "docs/choosing.md": lambda: [in_markdown(of_penalties()), in_markdown(of_constraints())],
    "CONTRIBUTING.md": lambda: [table(FAMILIES)],
}
"""The tables of each page."""


def rewritten(name: str) -> str:
    """A page of the repository with its tables as they should be."""
    return functools.reduce(replaced, TABLES[name](), (ROOT / name).read_text(encoding="utf-8"))


FILES = {name: functools.partial(rewritten, name) for name in TABLES} | {
    "docs/_static/channels.svg": draw
}
"""Every file that is written from catalogues and records, and what it should hold."""


if __name__ == "__main__":
    for name, text in FILES.items():
        (ROOT / name).write_text(text(), encoding="utf-8")
