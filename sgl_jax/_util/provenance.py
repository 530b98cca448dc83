"""Provenance of a result: commit, versions, hardware."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax


__all__ = ["collect_provenance", "collect_versions"]

PACKAGES = ("sgl-jax", "jax", "jaxlib", "optax", "flax", "numpy")


def collect_provenance() -> dict[str, Any]:
    """Collects the commit, if the package is a checkout, versions and hardware, as JSON's types."""
    device = jax.devices()[0]
    return {
        "commit": _find_commit(),
        "versions": collect_versions(),
        "python": platform.python_version(),
        "device": f"{device.platform}: {device.device_kind}",
        "processor": _find_processor(),
        "cores": _count_cores(),
    }


def _count_cores() -> int | None:
    """Counts the cores that this process may run on."""
    # Other systems than Linux have no affinity.
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count()


def collect_versions() -> dict[str, str]:
    """Collects the versions of this package and of those that results depend on."""
    return {name: _find_version(name) for name in PACKAGES}


def _find_commit() -> str:
    here = Path(__file__).parents[2]
    if not (here / ".git").exists():
        return "unknown"
    git = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        found = subprocess.run(git, capture_output=True, text=True, cwd=here, check=False)
    except OSError:
        return "unknown"
    return found.stdout.strip() or "unknown"


def _find_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


def _find_processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), "unknown")
