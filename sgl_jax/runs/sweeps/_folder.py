"""Sweep folders: the runs of a sweep on disk, from which it goes on after any interruption.

``sweep.json`` lists the runs, ``runs/`` has a run folder of each, and ``results.jsonl`` a line for
every run that is done.
"""

import dataclasses
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from sgl_jax._util.files import append_json, replace_folder, write_whole
from sgl_jax._util.signals import raise_if_stopped
from sgl_jax.compaction import Report
from sgl_jax.runs._config_file import read_fields
from sgl_jax.runs.config import Config
from sgl_jax.runs.costs import compact_network
from sgl_jax.runs.experiment import Experiment, Prepare, Run, check_stages, prepare, reseed
from sgl_jax.runs.folder import Mode, RunFolder, make_write_error
from sgl_jax.runs.records import Record
from sgl_jax.runs.results import Result, read_result
from sgl_jax.runs.sweeps._file import Sweep
from sgl_jax.runs.sweeps._grid import Planned
from sgl_jax.train.placement import Placement


__all__ = ["Failure", "SweepFolder"]

OnEpoch: TypeAlias = Callable[[str, Record], None]


class Failure(NamedTuple):
    """A run that could not be trained to its end.

    Attributes:
      run: name of the run.
      error: the reason.
    """

    run: str
    error: Exception


@dataclasses.dataclass(frozen=True)
class SweepFolder:
    """A folder with the runs of a sweep.

    Attributes:
      path: path of the folder, which need not exist yet.
    """

    path: Path

    def train(
        self, sweep: Sweep, mode: Mode, on_epoch: OnEpoch = lambda name, record: None
    ) -> Iterator[Result | Failure]:
        """Trains the runs that are not done, one after the other.

        Args:
          sweep: the runs.
          mode: treatment of a sweep that is there, as of :class:`RunFolder`; one that goes on may
            have further runs.
          on_epoch: called with name and record after every epoch, those done before included.

        Yields:
          The result of every run, those done before first, or why it has none.

        Raises:
          OSError: the folder is there already, or cannot be read or written, or the data are
            missing.
          ValueError: a run of the sweep that is there is not in this one.
        """
        self._check(sweep, mode)
        done = {result.run: result for result in self.read_results()} if mode == "resume" else {}
        left = {name: planned for name, planned in sweep.runs.items() if name not in done}
        _check_kinds(left)
        self._open(sweep, mode)
        yield from (done[name] for name in sweep.runs if name in done)
        prepare = _make_prepare()
        for name, planned in left.items():
            raise_if_stopped()
            group = sweep.groups.get(planned.method, "")
            yield self._train(name, planned, group, on_epoch, prepare)

    def _train(
        self, name: str, planned: Planned, group: str, on_epoch: OnEpoch, prepare: Prepare
    ) -> Result | Failure:
        folder, report = self.find_run(name), partial(on_epoch, name)
        try:
            run = folder.train(planned.config, "resume", report, prepare=prepare)
        except (ArithmeticError, ValueError) as error:
            return Failure(name, error)
        result = read_result(folder.path, name, planned.method, group, _try_to_compact(run))
        try:
            append_json(self._results, result.to_json())
        except OSError as error:
            raise make_write_error(self.path, error) from error
        return result

    def find_run(self, name: str) -> RunFolder:
        """Finds the folder of a run by its name."""
        return RunFolder(self.path / "runs" / name)

    def read_results(self) -> list[Result]:
        """Reads the results so far; a line that was cut is dropped, and its run counts as not done.

        Raises:
          OSError: the file cannot be read.
        """
        if not self._results.exists():
            return []
        lines = self._results.read_text(encoding="utf-8").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n") and _is_json(line)]
        if len(whole) < len(lines):
            write_whole(self._results, "".join(whole))
        return [Result.from_json(json.loads(line)) for line in whole]

    def read_sweep(self) -> Sweep:
        """Reads the sweep that the folder was made for.

        Raises:
          OSError: there is none.
          ValueError: it cannot be read.
        """
        path = self.path / "sweep.json"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            runs = {
                name: Planned(run["method"], read_fields(run["config"]))
                for name, run in found["runs"].items()
            }
            return Sweep(found["title"], runs, found["groups"])
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"A sweep folder needs its sweep.json, got none in {self.path}: check its name."
            ) from error
        except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(
                f"A sweep folder needs a sweep.json as `sgl-jax sweep` writes it, got {error} in "
                f"{path}: use the version that wrote it, or --overwrite."
            ) from error

    @property
    def _results(self) -> Path:
        return self.path / "results.jsonl"

    def _check(self, sweep: Sweep, mode: Mode) -> None:
        """Refuses a folder that is not as the mode wants."""
        there = (self.path / "sweep.json").exists()
        if self.path.exists() and not there and any(self.path.iterdir()):
            raise FileExistsError(
                f"A sweep needs a folder of its own, got {self.path}, which holds something else: "
                "choose another --name."
            )
        if there and mode == "new":
            raise FileExistsError(
                f"A new sweep needs a new folder, got {self.path}, which has a sweep: add --resume "
                "to go on with it, --overwrite to delete it, or another --name."
            )
        if there and mode == "resume":
            stored = self.read_sweep().runs
            lost = next((n for n in stored if sweep.runs.get(n) != stored[n]), None)
            if lost is not None:
                raise ValueError(
                    f"A sweep that goes on needs all runs that it began with, got none like "
                    f"{lost!r} of {self.path}: give the same options, or another --name."
                )

    def _open(self, sweep: Sweep, mode: Mode) -> None:
        """Writes the list of the runs; deletes first what is to be overwritten."""
        runs = {
            n: {"method": r.method, "config": dataclasses.asdict(r.config)}
            for n, r in sweep.runs.items()
        }
        content = {"title": sweep.title, "groups": sweep.groups, "runs": runs}
        text = json.dumps(content, indent=1) + "\n"
        try:
            if mode == "resume" and self.path.exists():
                write_whole(self.path / "sweep.json", text)
                return
            with replace_folder(self.path) as part:
                (part / "sweep.json").write_text(text, encoding="utf-8")
        except OSError as error:
            raise make_write_error(self.path, error) from error


def _make_prepare() -> Prepare:
    """Makes a function that prepares runs, of which neighbours may differ in their seed alone.

    Those share what is compiled, since they share network and optimizer.
    """
    last: dict[Config, Experiment] = {}

    def prepare_or_reseed(config: Config, placement: Placement | None) -> Experiment:
        key = dataclasses.replace(config, seed=0)
        if key not in last:
            last.clear()
            last[key] = prepare(config, placement)
        return reseed(last[key], config.seed)

    return prepare_or_reseed


def _check_kinds(runs: dict[str, Planned]) -> None:
    """Prepares a run of each kind, so that parts that do not fit fail before the first epoch.

    Runs of a kind differ in their seed, strengths and other real numbers.

    Raises:
      ValueError: the parts of a kind do not fit.
    """
    kinds: dict[Any, tuple[str, Planned]] = {}
    for name, planned in runs.items():
        config = vars(planned.config) | {"seed": 0}
        kind = tuple(value for value in config.values() if not isinstance(value, float))
        kinds.setdefault(kind, (name, planned))
    for name, planned in kinds.values():
        raise_if_stopped()
        try:
            check_stages(prepare(planned.config))
        except ValueError as error:
            raise ValueError(f"{error} (In the sweep: {name}.)") from error


def _try_to_compact(run: Run) -> Report | None:
    """Compacts the network of a run; ``None`` if it cannot be."""
    try:
        return compact_network(run).report
    except ValueError:
        return None


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except json.JSONDecodeError:
        return False
    return True
