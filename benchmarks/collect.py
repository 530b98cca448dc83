"""Collects run folders into one record: config, provenance, last epoch, time, size, dense twin.

    python benchmarks/collect.py NAME RUN [RUN ...] [--add] [--data-root DIR]

A run is a run folder, the folder of a recipe, whose stages all count, or that of a sweep, whose
finished runs do. ``sgl-jax report`` takes the record as it takes a sweep. An archive of a compact
network is tested again, and copied to the folder NAME beside the record.
"""

import argparse
import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

from _record import RESULTS

from sgl_jax.compaction import LeafPlan
from sgl_jax.metrics import Storage
from sgl_jax.runs.archives import evaluate_archive
from sgl_jax.runs.config import Config
from sgl_jax.runs.folder import RunFolder
from sgl_jax.runs.recipes import RecipeFolder, is_recipe
from sgl_jax.runs.results import name_method, read_result
from sgl_jax.runs.sweeps import SweepFolder


def collect(run: Path, archives: Path, data_root: str | None) -> list[dict[str, Any]]:
    """Collects a run, the stages of a recipe, or the finished runs of a sweep."""
    if (run / "sweep.json").exists():
        return [result.to_json() for result in SweepFolder(run).read_results()]
    if not is_recipe(run):
        return [collect_run(run, run.name, archives, data_root)]
    recipe = RecipeFolder(run)
    return [
        collect_run(stage.path, f"{run.name}/{stage.path.name}", archives, data_root)
        for stage in recipe.list_stages(recipe.read_stages())
    ]


def collect_run(run: Path, name: str, archives: Path, data_root: str | None) -> dict[str, Any]:
    """Collects a run: its config, its provenance, its last epoch, its compact network."""
    folder = RunFolder(run)
    method = name_method(vars(folder.read_config()))
    plan, sizes = run / "compact" / "plan.json", run / "compact" / "storage.json"
    storage = Storage.from_json(json.loads(sizes.read_text())) if sizes.exists() else None
    found = read_result([folder], name, method, storage=storage).to_json()
    found |= {"compact": collect_compact(plan)} if plan.exists() else {}
    archive, twin = run / "compact" / "network.sgl", run / "dense"
    if archive.exists():
        config = dataclasses.replace(folder.read_config(), data_root=data_root)
        copied = archives / f"{name.partition('/')[0]}.sgl"
        found |= {"archive": collect_archive(archive, config, copied)}
    if not twin.exists():
        return found
    dense = read_result([RunFolder(twin)], "dense", "dense").to_json()
    return found | {"twin": {name: dense[name] for name in ("seconds", "last")}}


def collect_archive(archive: Path, config: Config, copied: Path) -> dict[str, Any]:
    """Tests an archive, and copies it to the records."""
    error, _ = evaluate_archive(archive, config)
    copied.parent.mkdir(exist_ok=True)
    shutil.copyfile(archive, copied)
    return {"file": copied.name, "error": error}


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
    parser.add_argument("--data-root", help="folder of the data sets, for archives")
    options = parser.parse_args()
    path = RESULTS / f"{options.name}.json"
    runs = json.loads(path.read_text())["runs"] if options.add else []
    archives = RESULTS / options.name
    runs += [one for run in options.runs for one in collect(run, archives, options.data_root)]
    path.write_text(json.dumps({"name": options.name, "runs": runs}, indent=1) + "\n")
    print(path)


if __name__ == "__main__":
    main()
