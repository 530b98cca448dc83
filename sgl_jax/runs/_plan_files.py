"""The positions that are left of every leaf, in a file for every epoch after which channels left.

A file is written before the checkpoint of its epoch, so that files beyond the newest checkpoint are
of an interrupted epoch, and count as nothing.
"""

import json
from pathlib import Path

from sgl_jax._util.files import write_whole
from sgl_jax.compaction import Plan


__all__ = ["find_plan", "write_plan"]


def write_plan(folder: Path, epoch: int, plan: Plan) -> None:
    """Writes the file of an epoch.

    Args:
      folder: folder of the files; made if it is missing.
      epoch: number of the epoch, from 1.
      plan: the positions that are left of the full leaves.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"{epoch}.json", json.dumps(plan.to_json()) + "\n")


def find_plan(folder: Path, done: int) -> Plan | None:
    """Reads the plan in force after some epochs; ``None`` if no channel had left.

    Args:
      folder: folder of the files.
      done: epochs that are done.

    Raises:
      ValueError: the file is damaged.
    """
    epochs = [int(path.stem) for path in folder.glob("*.json") if path.stem.isdecimal()]
    latest = max((epoch for epoch in epochs if epoch <= done), default=None)
    if latest is None:
        return None
    path = folder / f"{latest}.json"
    try:
        return Plan.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"A run whose channels left needs the file that says which, got {error!r} in {path}: "
            "start it anew with --overwrite."
        ) from error
