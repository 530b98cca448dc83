"""Compaction of a finished run: the network without its dead channels, in ``compact/``.

The subfolder is that of :func:`~sgl_jax.save_compact`; exports stand in it, too, what a network on
levels takes in ``storage.json``, and in ``timing.json`` the latencies, which depend on the clock.
"""

import contextlib
import json
import logging
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sgl_jax._util.files import replace_folder, write_whole
from sgl_jax._util.signals import raise_if_stopped
from sgl_jax._util.typing import Params
from sgl_jax.compaction import Report
from sgl_jax.compaction.artifacts import export, load_compact, make_write_error, save_compact
from sgl_jax.data import Dataset
from sgl_jax.metrics import Storage
from sgl_jax.runs.costs import (
    Cost,
    Latencies,
    Predictor,
    compact_network,
    make_predictor,
    measure_error,
    measure_latencies,
    measure_storage,
)
from sgl_jax.runs.experiment import Run
from sgl_jax.runs.folder import RunFolder
from sgl_jax.train.processes import run_on_first


__all__ = ["CompactionResult", "compact_run", "is_compacted"]


logger = logging.getLogger(__name__)


class CompactionResult(NamedTuple):
    """The result of the compaction of a run.

    Attributes:
      report: report of the compaction.
      full: costs of the sparse network with its dead channels.
      compact: costs without them, of the network as it was saved.
      files: the exported files.
      storage: storage of a network with weights on levels, with the bytes of its archive; ``None``
        for another.
    """

    report: Report
    full: Cost
    compact: Cost
    files: list[Path]
    storage: Storage | None


def compact_run(
    folder: RunFolder,
    run: Run,
    formats: Sequence[str] = (),
    anew: bool = False,
    fastest: bool = False,
    bias_bits: int | None = None,
) -> CompactionResult:
    """Compacts a run, saves and exports the compact network, loads it again and tests it.

    Args:
      folder: the folder of the run.
      run: the run, to its end.
      formats: formats to export to, names of ``EXPORTERS``.
      anew: compact again a run that has been compacted.
      fastest: round the numbers of channels up to those with which the network is quickest.
      bias_bits: bits to round the biases of the compact network to, as of :func:`round_biases`.

    Raises:
      ImportError: a package is missing.
      OSError: the folder cannot be written.
      ValueError: the network cannot be compacted or exported, or the saved network is damaged.
    """
    return run_on_first(lambda: _compact_run(folder, run, formats, anew, fastest, bias_bits))


def is_compacted(folder: RunFolder) -> bool:
    """True if a run has been compacted."""
    return (_compact_path(folder) / "plan.json").exists()


def _compact_run(
    folder: RunFolder,
    run: Run,
    formats: Sequence[str],
    anew: bool,
    fastest: bool,
    bias_bits: int | None,
) -> CompactionResult:
    path, data, full = _compact_path(folder), run.experiment.data, make_predictor(run)
    if anew or not is_compacted(folder):
        logger.info("Removing the dead channels.")
        with _replace_compact(path) as new:
            save_compact(new, compact_network(run, fastest, bias_bits))
            _export(new, full, formats)
    else:
        _export(path, full, formats)
    raise_if_stopped()
    small = load_compact(path, *full)
    networks = {"full": full, "compact": (small.apply, small.params)}
    latencies = _read_or_measure_latencies(path / "timing.json", networks, data)
    sizes = {"full": small.report.before, "compact": small.report.after}
    costs = {n: Cost(measure_error(networks[n], data), sizes[n], *latencies[n]) for n in networks}
    files = [_name_export(path, name) for name in formats]
    storage = _read_or_measure_storage(path, full[1], small.params)
    return CompactionResult(small.report, **costs, files=files, storage=storage)


@contextlib.contextmanager
def _replace_compact(path: Path) -> Generator[Path, None, None]:
    """Replaces the compact network of a run by the one that the block has filled."""
    try:
        with replace_folder(path) as new:
            yield new
    except OSError as error:
        if error.strerror is None:  # a sentence already
            raise
        raise make_write_error(path, error.strerror) from error


def _export(path: Path, full: Predictor, formats: Sequence[str]) -> None:
    """Exports the compact network in a folder, into the same folder."""
    if not formats:
        return
    small = load_compact(path, *full)
    for name in formats:
        raise_if_stopped()
        logger.info("Exporting to %s.", name)
        export(_name_export(path, name), small)


def _name_export(path: Path, name: str) -> Path:
    return path / f"network.{name}"


def _read_or_measure_latencies(
    path: Path, networks: Mapping[str, Predictor], data: Dataset
) -> dict[str, Latencies]:
    """Reads the latencies from the file; measures them if there is none."""
    if not path.exists():
        logger.info("Measuring latencies.")
        measured = measure_latencies(networks, data)
        content = {
            "seconds": {name: each.seconds for name, each in measured.items()},
            "options": {name: each.options for name, each in measured.items()},
        }
        write_whole(path, json.dumps(content) + "\n")
    found = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: Latencies(_by_batch(medians), _by_batch(found.get("options", {}).get(name, {})))
        for name, medians in found["seconds"].items()
    }


def _read_or_measure_storage(folder: Path, full: Params, small: Params) -> Storage | None:
    """Reads the storage from its file; measures and writes it if there is none."""
    path = folder / "storage.json"
    if path.exists():
        return Storage.from_json(json.loads(path.read_text(encoding="utf-8")))
    measured = measure_storage(full, small, _name_export(folder, "sgl"))
    if measured is not None:
        write_whole(path, json.dumps(measured.to_json()) + "\n")
    return measured


def _by_batch(found: Mapping[str, Any]) -> dict[int, Any]:
    """Makes numbers of the batch sizes, which are words in JSON."""
    return {int(batch): value for batch, value in found.items()}


def _compact_path(folder: RunFolder) -> Path:
    return folder.path / "compact"
