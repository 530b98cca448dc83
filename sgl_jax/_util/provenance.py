"""Where and with what a result came about: commit, versions, hardware."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax


__all__ = ["provenance", "versions"]

PACKAGES = ("sgl-jax", "jax", "jaxlib", "optax", "flax", "numpy")


def provenance() -> dict[str, Any]:
    """Commit of this package if it is a checkout, versions, hardware, as JSON's own types."""
    device = jax.devices()[0]
    return {
        "commit": _commit(),
        "versions": versions(),
        "python": platform.python_version(),
        "device": f"{device.platform}: {device.device_kind}",
        "processor": _processor(),
        "cores": os.cpu_count(),
    }


def versions() -> dict[str, str]:
    """Versions of this package and of those that results depend on."""
    return {name: _version(name) for name in PACKAGES}


def _commit() -> str:
    here = Path(__file__).parents[2]
    if not (here / ".git").exists():
        return "unknown"
    git = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        found = subprocess.run(git, capture_output=True, text=True, cwd=here, check=False)
    except OSError:
        return "unknown"
    return found.stdout.strip() or "unknown"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), "unknown")
