"""The ``compact/`` of a run folder: the sparse network of its end without its dead channels.

The folder is that of :func:`~sgl_jax.save_compact`; beside it stand exports and, in
``timing.json``, what depends on the clock.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sgl_jax._util.files import write_whole
from sgl_jax.compaction import Report
from sgl_jax.compaction.artifacts import export, load_compact, save_compact
from sgl_jax.data import Dataset
from sgl_jax.runs.costs import Cost, Network, compacted, full_of, latencies, tested
from sgl_jax.runs.experiment import Reached
from sgl_jax.runs.folder import RunFolder
from sgl_jax.train.processes import by_first


__all__ = ["Outcome", "compact_run", "compacted_already"]


class Outcome(NamedTuple):
    """What the compaction of a run has led to.

    Attributes:
      report: of the compaction.
      full: cost of the sparse network with its dead channels.
      compact: cost without them, of the network as it was saved.
      files: what was exported.
    """

    report: Report
    full: Cost
    compact: Cost
    files: list[Path]


def compact_run(
    folder: RunFolder,
    run: Reached,
    formats: Sequence[str] = (),
    anew: bool = False,
) -> Outcome:
    """Compacts a run, saves and exports what comes out, loads it again and tests it.

    Args:
      folder: of the run.
      run: what is in it, to its end.
      formats: to export to, names of ``EXPORTERS``.
      anew: do so again if it has been done.

    Raises:
      ImportError: a package is missing.
      OSError: the folder cannot be written.
      ValueError: the network cannot be compacted or exported, or what was saved is damaged.
    """
    return by_first(lambda: _compact_run(folder, run, formats, anew))


def compacted_already(folder: RunFolder) -> bool:
    """Whether a run has been compacted."""
    return (_path(folder) / "plan.json").exists()


def _compact_run(folder: RunFolder, run: Reached, formats: Sequence[str], anew: bool) -> Outcome:
    path, data = _path(folder), run.experiment.data
    if anew or not compacted_already(folder):
        save_compact(path, compacted(run))
    full = full_of(run)
    small = load_compact(path, *full)
    files = [path / f"network.{name}" for name in formats]
    for file in files:
        export(file, small)
    networks = {"full": full, "compact": (small.apply, small.params)}
    seconds = _seconds(path / "timing.json", networks, data)
    sizes = {"full": small.report.before, "compact": small.report.after}
    costs = {n: Cost(tested(networks[n], data), sizes[n], seconds[n]) for n in networks}
    return Outcome(small.report, **costs, files=files)


def _seconds(
    path: Path, networks: Mapping[str, Network], data: Dataset
) -> dict[str, dict[int, float]]:
    """Latencies, measured once."""
    if not path.exists():
        write_whole(path, json.dumps({"seconds": latencies(networks, data)}) + "\n")
    found = json.loads(path.read_text(encoding="utf-8"))["seconds"]
    return {
        name: {int(batch): median for batch, median in medians.items()}
        for name, medians in found.items()
    }


def _path(folder: RunFolder) -> Path:
    return folder.path / "compact"
