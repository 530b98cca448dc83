"""The record of a benchmark, and its folder."""

import json
from pathlib import Path
from typing import Any

import jax

from sgl_jax._util.provenance import collect_provenance


__all__ = ["RESULTS", "save"]

RESULTS = Path(__file__).parent / "results"


def save(
    name: str, config: dict[str, Any], figures: list[dict[str, Any]], folder: Path = RESULTS
) -> Path:
    """Writes a record and returns where it is; off the CPU the device is part of its name."""
    folder.mkdir(parents=True, exist_ok=True)
    device = jax.devices()[0]
    if device.platform != "cpu":
        kind = device.device_kind.lower().removeprefix("nvidia ").split()
        name = f"{name}_{kind[0]}"
    path = folder / f"{name}.json"
    record = {"name": name, "config": config, **collect_provenance(), "figures": figures}
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path
