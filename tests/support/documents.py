"""The code blocks of the project's Markdown pages."""

import re
from pathlib import Path


ROOT = Path(__file__).parents[2]


def python_blocks(page: str) -> list[str]:
    """The fenced Python blocks of a page in the repository's root, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
