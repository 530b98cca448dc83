"""The README's tables of penalties and constraints, from what their docstrings say at a glance.

``python -m support.tables`` rewrites them.
"""

import inspect
import itertools
import re

import sgl_jax as sgl
from support.documents import ROOT


README = ROOT / "README.md"


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


def rewritten(page: str) -> str:
    """A page with the tables of the catalogues in the place of those with the same head."""
    lines = page.splitlines()
    for rows in (of_penalties(), of_constraints()):
        head, *table = ["| " + " | ".join(cells).replace("|  |", "| |") + " |" for cells in rows]
        start = lines.index(head)
        old = itertools.takewhile(lambda line: line.startswith("|"), lines[start:])
        lines[start : start + len([*old])] = [head, "|" + "---|" * len(rows[0]), *table]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    README.write_text(rewritten(README.read_text(encoding="utf-8")), encoding="utf-8")
