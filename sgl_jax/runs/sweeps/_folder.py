"""Sweep folders: the runs of a sweep on disk, from which it goes on after any interruption.

``sweep.json`` lists the runs, ``runs/`` has a run folder of each, and ``results.jsonl`` a line for
every run that is done.
"""

import dataclasses
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeAlias

from sgl_jax._util.files import append_json, replace_folder, write_whole
from sgl_jax._util.signals import raise_if_stopped
from sgl_jax.runs._config_file import read_fields
from sgl_jax.runs._folders import Mode, explain_damage, find, make_write_error
from sgl_jax.runs.experiment import Prepare
from sgl_jax.runs.folder import RunFolder
from sgl_jax.runs.lanes import are_quick
from sgl_jax.runs.recipes import find_run_folder
from sgl_jax.runs.records import Record
from sgl_jax.runs.results import Result, read_result
from sgl_jax.runs.sweeps._file import Sweep
from sgl_jax.runs.sweeps._grid import Planned
from sgl_jax.runs.sweeps._training import (
    Failure,
    check_kinds,
    list_lanes,
    make_prepare,
    train_planned,
    train_side_by_side,
    try_to_compact,
)


__all__ = ["SweepFolder"]

LANES = 64
"""Runs that one program trains at most, where that is quick; fewer if their memory is short."""

OnEpoch: TypeAlias = Callable[[str, Record], None]


@dataclasses.dataclass(frozen=True)
class SweepFolder:
    """A folder with the runs of a sweep.

    Attributes:
      path: path of the folder, which need not exist yet.
    """

    path: Path

    def train(
        self,
        sweep: Sweep,
        mode: Mode,
        on_epoch: OnEpoch = lambda name, record: None,
        lanes: int | None = None,
    ) -> Iterator[Result | Failure]:
        """Trains the runs that are not done, side by side or one after the other.

        Args:
          sweep: the runs.
          mode: treatment of a sweep that is there, as of :class:`RunFolder`; one that goes on may
            have further runs.
          on_epoch: called with name and record after every epoch, those done before included.
          lanes: runs that one program trains at most; ``None`` for what the device does best, 1 on
            a CPU. See :func:`sgl_jax.many.train_many`.

        Yields:
          The result of every run, those done before first, or why it has none.

        Raises:
          OSError: the folder is there already, or cannot be read or written, or the data are
            missing.
          ValueError: a run of the sweep that is there is not in this one, or fewer than one lane.
        """
        if lanes is not None and lanes < 1:
            raise ValueError(f"A sweep needs lanes >= 1, got lanes={lanes}.")
        self._check(sweep, mode)
        done = {result.run: result for result in self.read_results()} if mode == "resume" else {}
        left = {name: planned for name, planned in sweep.runs.items() if name not in done}
        check_kinds(left)
        self._open(sweep, mode)
        yield from (done[name] for name in sweep.runs if name in done)
        prepare = make_prepare()
        most = lanes or (LANES if are_quick() else 1)
        for piece in list_lanes(left, most):
            raise_if_stopped()
            folders = {name: RunFolder(self._find_path(name)) for name in piece}
            train_side_by_side(folders, piece, on_epoch, prepare)
            for name, planned in piece.items():
                group = sweep.groups.get(planned.method, "")
                yield self._train(name, planned, group, on_epoch, prepare)

    def _train(
        self, name: str, planned: Planned, group: str, on_epoch: OnEpoch, prepare: Prepare
    ) -> Result | Failure:
        path = self._find_path(name)
        try:
            run, folders = train_planned(path, planned, partial(on_epoch, name), prepare)
        except (ArithmeticError, ValueError) as error:
            return Failure(name, error)
        result = read_result(folders, name, planned.method, group, *try_to_compact(run))
        try:
            append_json(self._results, result.to_json())
        except OSError as error:
            raise make_write_error(self.path, error) from error
        return result

    def find_run(self, name: str) -> RunFolder:
        """Finds the folder of a run by its name; of a recipe that of its last stage."""
        return find_run_folder(self._find_path(name))

    def _find_path(self, name: str) -> Path:
        return self.path / "runs" / name

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
        with explain_damage("sweep", self._marker, "sgl-jax sweep"):
            found = json.loads(self._marker.read_text(encoding="utf-8"))
            runs = {
                name: Planned(run["method"], read_fields(run["config"]), run.get("recipe", ""))
                for name, run in found["runs"].items()
            }
            return Sweep(found["title"], runs, found["groups"])

    @property
    def _marker(self) -> Path:
        return self.path / "sweep.json"

    @property
    def _results(self) -> Path:
        return self.path / "results.jsonl"

    def _check(self, sweep: Sweep, mode: Mode) -> None:
        """Refuses a folder that is not as the mode wants."""
        if find("sweep", self._marker, mode):
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
            name: {**planned._asdict(), "config": dataclasses.asdict(planned.config)}
            for name, planned in sweep.runs.items()
        }
        content = {"title": sweep.title, "groups": sweep.groups, "runs": runs}
        text = json.dumps(content, indent=1) + "\n"
        try:
            if mode == "resume" and self.path.exists():
                write_whole(self._marker, text)
                return
            with replace_folder(self.path) as part:
                (part / self._marker.name).write_text(text, encoding="utf-8")
        except OSError as error:
            raise make_write_error(self.path, error) from error


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except json.JSONDecodeError:
        return False
    return True
