"""Run folders: a training run on disk, from which it goes on after any interruption.

``config.json`` has the config and where the run began; ``record.jsonl`` a line of results per
epoch, the same on every machine of the same kind; ``timing.jsonl`` a line of seconds per epoch;
``checkpoints/`` the whole state after the newest epoch; ``shrinks/`` a file for every epoch after
which channels left; ``compact/``, at the end, the network without its dead channels. The lines of
an epoch are written before its checkpoint, and those beyond it are dropped on resuming, so that the
folder is right at every moment. Of several processes only the first reads and writes it.
"""

import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from sgl_jax._util.files import append_json, read_first_lines, replace_folder, write_whole
from sgl_jax.compaction import Plan
from sgl_jax.runs import _checkpoint as checkpoint
from sgl_jax.runs._config_file import check_same_config, describe, read_config
from sgl_jax.runs._folders import Mode as Mode, find, make_write_error as make_write_error
from sgl_jax.runs._plan_files import find_plan, write_plan
from sgl_jax.runs._stages import restore_stage
from sgl_jax.runs.config import Config
from sgl_jax.runs.experiment import Experiment, Prepare, Run, check_stages, prepare, train_epochs
from sgl_jax.runs.records import Record
from sgl_jax.train.placement import Placement
from sgl_jax.train.processes import run_on_first


__all__ = ["Mode", "RunFolder", "make_write_error"]

OnEpoch: TypeAlias = Callable[[Record], None]


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """A folder with one run.

    Attributes:
      path: path of the folder, which need not exist yet.
    """

    path: Path

    def train(
        self,
        config: Config,
        mode: Mode = "new",
        on_epoch: OnEpoch = lambda record: None,
        placement: Placement | None = None,
        prepare: Prepare = prepare,
    ) -> Run:
        """Trains in this folder, to the end.

        Nothing is written before all parts of the config have been found to fit.

        Args:
          config: the config; on resuming, that of the folder, as of :meth:`resolve_config`.
          mode: treatment of a run that is there: ``"new"`` refuses it, ``"resume"`` goes on with
            it (and starts where there is none), ``"overwrite"`` deletes it.
          on_epoch: called with the record of every epoch, those done before included.
          placement: the devices to train on, if many; a run may go on on others.
          prepare: makes the objects of the run.

        Raises:
          FloatingPointError: the loss is no finite number.
          ImportError: a package is missing.
          OSError: the folder is there already, or cannot be read or written.
          ValueError: a config that does not fit, or is not the one of the folder.
        """
        run = self.begin(config, mode, placement, prepare)
        for record in run.records:
            on_epoch(record)
        for further in self._continue(run):
            run = further
            on_epoch(run.records[-1])
        return run

    def begin(
        self,
        config: Config,
        mode: Mode = "new",
        placement: Placement | None = None,
        prepare: Prepare = prepare,
    ) -> Run:
        """Makes the folder, or reads the run in it as of its newest epoch; as :meth:`train`."""
        config = run_on_first(lambda: self._settle(config, mode))
        begun = mode == "resume" and bool(run_on_first(self.read_records))
        if begun:
            config = dataclasses.replace(config, init_from=None)  # it may be gone by now
        experiment = prepare(config, placement)
        if not begun:
            check_stages(experiment)
        run_on_first(lambda: self._open(experiment, mode))
        return self._restore(experiment)

    def resolve_config(self, given: Mapping[str, Any], mode: Mode) -> Config:
        """Makes the config of a run from the options that were given.

        Args:
          given: values by option; the others have their defaults, or on resuming the values of the
            run that is there.
          mode: as in :meth:`train`.

        Raises:
          OSError: the folder is there already, or cannot be read.
          ValueError: an option is out of its range, has no effect, or differs from the run that is
            there.
        """
        return run_on_first(lambda: self._resolve_config(given, mode))

    def _resolve_config(self, given: Mapping[str, Any], mode: Mode) -> Config:
        config = Config.of(given)
        if self._find_run(mode):
            config = dataclasses.replace(self.read_config(), download=False)
            config = dataclasses.replace(config, **given)
        config.check(given)
        return self._settle(config, mode)

    def _settle(self, config: Config, mode: Mode) -> Config:
        """Compares a config with the run to go on with, whose data it takes by default."""
        if not self._find_run(mode):
            return config
        stored = self.read_config()
        check_same_config(stored, config, self.path)
        return dataclasses.replace(config, data_root=config.data_root or stored.data_root)

    def _find_run(self, mode: Mode) -> bool:
        """True if there is a run to go on with; refuses a folder that is not as the mode wants."""
        return find("run", self._config_path, mode)

    def read_config(self) -> Config:
        """Reads the config of the run in this folder.

        Raises:
          OSError: there is no run.
          ValueError: its config cannot be read.
        """
        return read_config(self._config_path)

    def read_records(self) -> list[Record]:
        """Reads the records up to the newest checkpoint."""
        done = checkpoint.find_latest(self._checkpoints)
        lines = read_first_lines(self.path / "record.jsonl", done)
        return [Record.from_json(json.loads(line)) for line in lines]

    def read_run(self, experiment: Experiment) -> Run:
        """Reads the run as of its newest epoch.

        Args:
          experiment: the run of :meth:`read_config`, prepared.

        Raises:
          OSError: no epoch is done.
          ValueError: the checkpoint cannot be read, or is of another network or optimizer.
        """
        done = checkpoint.find_latest(self._checkpoints)
        if not done:
            raise FileNotFoundError(
                f"An evaluation needs a run with an epoch done, got none in {self.path}: go on "
                "with it by --resume."
            )
        return self._load(experiment, self.read_records())

    @property
    def _config_path(self) -> Path:
        return self.path / "config.json"

    @property
    def _shrinks(self) -> Path:
        return self.path / "shrinks"

    @property
    def _checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def _open(self, experiment: Experiment, mode: Mode) -> None:
        """Starts the run, unless it is there to go on with."""
        if mode == "overwrite" or not self._config_path.exists():
            self._start(experiment)

    def _start(self, experiment: Experiment) -> None:
        """Makes the folder, by one rename, with its config in it."""
        try:
            with replace_folder(self.path) as part:
                (part / "config.json").write_text(describe(experiment), encoding="utf-8")
        except OSError as error:
            raise make_write_error(self.path, error) from error

    def _restore(self, experiment: Experiment) -> Run:
        """Restores the run as of its newest checkpoint; lines beyond it are dropped."""
        return self._load(experiment, run_on_first(self._trim))

    def _load(self, experiment: Experiment, records: list[Record]) -> Run:
        """Loads the state after the last of some records, which may be none."""
        done = len(records)
        plan = run_on_first(lambda: find_plan(self._shrinks, done))
        run = restore_stage(experiment, records, plan)
        if records:
            run = run._replace(state=checkpoint.load(self._checkpoints, done, run.state))
        return run

    def _trim(self) -> list[Record]:
        """Drops the lines beyond the newest checkpoint, and reads the records up to it."""
        done = checkpoint.find_latest(self._checkpoints)
        for name in ("record.jsonl", "timing.jsonl"):
            path = self.path / name
            if path.exists():
                write_whole(path, "".join(read_first_lines(path, done)))
        records = self.read_records()
        if len(records) < done:
            raise ValueError(
                f"A run of {done} epochs needs as many lines in its record.jsonl, got "
                f"{len(records)} in {self.path}: start it anew with --overwrite."
            )
        return records

    def _continue(self, start: Run) -> Iterator[Run]:
        """Trains the epochs that are left, each of them on disk before it is yielded."""
        plan, began = start.experiment.plan, time.perf_counter()
        for run in train_epochs(start):
            self.write_epoch(run, time.perf_counter() - began, plan)
            yield run
            plan, began = run.experiment.plan, time.perf_counter()

    def write_epoch(self, run: Run, seconds: float, before: Plan | None) -> None:
        """Writes the newest epoch of a run, and its state.

        Args:
          run: the run after the epoch.
          seconds: the time that it took.
          before: the positions that were left of every leaf before it.

        Raises:
          OSError: the folder cannot be written.
        """
        record, plan = run.records[-1], run.experiment.plan
        self._append(record, round(seconds, 3), None if plan is before else plan)
        checkpoint.save(self._checkpoints, record.epoch, run.state)

    def _append(self, record: Record, seconds: float, plan: Plan | None) -> None:
        """Appends the lines of an epoch, and writes its plan if channels have left after it."""

        def append() -> None:
            if plan is not None:
                write_plan(self._shrinks, record.epoch, plan)
            append_json(self.path / "record.jsonl", record.to_json())
            append_json(self.path / "timing.jsonl", {"epoch": record.epoch, "seconds": seconds})

        try:
            run_on_first(append)
        except OSError as error:
            raise make_write_error(self.path, error) from error
