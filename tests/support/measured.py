"""The records in ``benchmarks/results``."""

import functools
import json
import math
from typing import Any

from support.documents import ROOT


Record = dict[str, Any]
Rows = list[list[str]]

RESULTS = ROOT / "benchmarks" / "results"


@functools.cache
def record(name: str) -> Record:
    """Reads a record."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def starred(value: float, limit: float | None, digits: int) -> str:
    """A figure, with a star if it is over its limit."""
    return f"{value:.{digits}f}{'*' if value > (limit or math.inf) else ''}"
