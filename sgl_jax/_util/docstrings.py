"""Docstrings read as data: first lines, and the descriptions of parameters."""

import inspect
import re
from typing import Any


__all__ = ["read_first_line", "read_parameters"]

_SECTION = re.compile(r"^(?:Args|Attributes):\n((?:[ ]+.*\n|\n)*)", re.MULTILINE)
_ENTRY = re.compile(r"^(\w+):\s*(.*(?:\n[ ]+.*)*)", re.MULTILINE)
_ROLE = re.compile(r":(?:math|class|func|mod|attr|meth):`(?:~[\w.]*\.)?|`|\\(?![gl]e\b)")


def read_first_line(thing: Any) -> str:
    """Reads the first line of a docstring, without markup."""
    return _to_plain((inspect.getdoc(thing) or "").partition("\n")[0])


def read_parameters(thing: Any) -> dict[str, str]:
    """Reads the descriptions of parameters by name, each on one line and without markup.

    Args:
      thing: a function or a class whose docstring has a section ``Args`` or ``Attributes``.
    """
    text = (inspect.getdoc(thing) or "") + "\n"
    sections = [inspect.cleandoc(body) for body in _SECTION.findall(text)]
    entries = [entry for body in sections for entry in _ENTRY.findall(body)]
    return {name: _to_plain(" ".join(words.split())) for name, words in entries}


def _to_plain(words: str) -> str:
    """Removes the markup of reStructuredText and of formulas."""
    return _ROLE.sub("", words).replace(r"\ge", ">=").replace(r"\le", "<=")
