"""Where the figures of a benchmark go."""

import json
from pathlib import Path
from typing import Any

from sgl_jax.provenance import provenance


__all__ = ["RESULTS", "save"]

RESULTS = Path(__file__).parent / "results"


def save(name: str, config: dict[str, Any], figures: list[dict[str, Any]]) -> Path:
    """Writes a record and returns where it is."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    record = {"name": name, "config": config, **provenance(), "figures": figures}
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path
