"""The records in ``benchmarks/results``."""

import functools
import json
from typing import Any

from support.documents import ROOT


Record = dict[str, Any]
Rows = list[list[str]]

RESULTS = ROOT / "benchmarks" / "results"


@functools.cache
def record(name: str) -> Record:
    """Reads a record."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
