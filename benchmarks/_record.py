"""Where and with what a benchmark ran, and where its figures go."""

import json
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax


__all__ = ["RESULTS", "provenance", "save"]

RESULTS = Path(__file__).parent / "results"


def provenance() -> dict[str, Any]:
    """Commit, versions and hardware."""
    git = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    commit = subprocess.run(git, capture_output=True, text=True, cwd=RESULTS.parent, check=False)
    device = jax.devices()[0]
    return {
        "commit": commit.stdout.strip() or "unknown",
        "versions": {name: version(name) for name in ("jax", "jaxlib", "optax", "flax", "numpy")},
        "python": platform.python_version(),
        "device": f"{device.platform}: {device.device_kind}",
        "processor": _processor(),
        "cores": os.cpu_count(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), "unknown")


def save(name: str, config: dict[str, Any], figures: list[dict[str, Any]]) -> Path:
    """Writes a record and returns where it is."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    record = {"name": name, "config": config, **provenance(), "figures": figures}
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path
