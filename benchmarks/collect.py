"""Collects run folders into one record: config, provenance, last epoch, time, size, dense twin.

python benchmarks/collect.py NAME RUN [RUN ...]
"""

import argparse
import json
from pathlib import Path
from typing import Any

from _record import RESULTS

from sgl_jax.compaction import LeafPlan


def collect_run(run: Path) -> dict[str, Any]:
    """Collects a run: its config, its provenance, its last epoch."""
    about = json.loads((run / "config.json").read_text())
    about["config"].pop("data_root")  # a matter of the machine
    found = {"run": run.name, **about, **collect_end(run)}
    plan, twin = run / "compact" / "plan.json", run / "dense"
    found |= {"compact": collect_compact(plan)} if plan.exists() else {}
    return found | ({"twin": collect_end(twin)} if twin.exists() else {})


def collect_end(run: Path) -> dict[str, Any]:
    """Collects the seconds of all epochs of a run, and the record of the last one."""
    seconds = [json.loads(line)["seconds"] for line in (run / "timing.jsonl").open()]
    *_, last = (run / "record.jsonl").open()
    return {"seconds": round(sum(seconds)), "last": json.loads(last)}


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
    parser.add_argument("runs", nargs="+", type=Path, help="run folders")
    options = parser.parse_args()
    runs = [collect_run(run) for run in options.runs]
    path = RESULTS / f"{options.name}.json"
    path.write_text(json.dumps({"name": options.name, "runs": runs}, indent=1) + "\n")
    print(path)


if __name__ == "__main__":
    main()
