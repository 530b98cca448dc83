"""Collects run folders into one record: config, provenance, last epoch, time, size, dense twin.

    python benchmarks/collect.py NAME RUN [RUN ...] [--add]

A run is a run folder, or the folder of a sweep, whose finished runs all count. ``sgl-jax report``
takes the record as it takes a sweep.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from _record import RESULTS

from sgl_jax.compaction import LeafPlan
from sgl_jax.runs.folder import RunFolder
from sgl_jax.runs.results import name_method, read_result
from sgl_jax.runs.sweeps import SweepFolder


def collect(run: Path) -> list[dict[str, Any]]:
    """Collects a run, or the finished runs of a sweep."""
    if (run / "sweep.json").exists():
        return [result.to_json() for result in SweepFolder(run).read_results()]
    return [collect_run(run)]


def collect_run(run: Path) -> dict[str, Any]:
    """Collects a run: its config, its provenance, its last epoch."""
    folder = RunFolder(run)
    method = name_method(vars(folder.read_config()))
    found = read_result([folder], run.name, method).to_json()
    plan, twin = run / "compact" / "plan.json", run / "dense"
    found |= {"compact": collect_compact(plan)} if plan.exists() else {}
    if not twin.exists():
        return found
    dense = read_result([RunFolder(twin)], "dense", "dense").to_json()
    return found | {"twin": {name: dense[name] for name in ("seconds", "last")}}


def collect_compact(plan: Path) -> dict[str, Any]:
    """Collects sizes and the shapes of leaves of a network without its dead channels."""
    found = json.loads(plan.read_text())
    shapes = {
        path: LeafPlan(leaf["shape"], leaf["kept"]).narrow_shape
        for path, leaf in found["leaves"].items()
    }
    sizes = {name: found["report"][name] for name in ("before", "after", "error", "scale")}
    return sizes | {"shapes": shapes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="of the record in benchmarks/results")
    parser.add_argument("runs", nargs="+", type=Path, help="run folders, and folders of sweeps")
    parser.add_argument("--add", action="store_true", help="keep the runs that the record has")
    options = parser.parse_args()
    path = RESULTS / f"{options.name}.json"
    runs = json.loads(path.read_text())["runs"] if options.add else []
    runs += [one for run in options.runs for one in collect(run)]
    path.write_text(json.dumps({"name": options.name, "runs": runs}, indent=1) + "\n")
    print(path)


if __name__ == "__main__":
    main()
