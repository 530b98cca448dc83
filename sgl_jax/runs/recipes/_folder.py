"""Recipe folders: the stages of a run on disk, from which it goes on after any interruption.

``recipe.json`` lists the stages; each has a run folder, ``1-NAME``, ``2-NAME``, and so on, of which
the last holds the trained network.
"""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeAlias

from sgl_jax._util.files import replace_folder
from sgl_jax.runs._config_file import read_fields
from sgl_jax.runs._folders import Mode, explain_damage, find, make_write_error
from sgl_jax.runs._run import get_sparse_params
from sgl_jax.runs.config import Config
from sgl_jax.runs.experiment import Experiment, Run, begin_from, prepare
from sgl_jax.runs.folder import RunFolder
from sgl_jax.runs.records import Record
from sgl_jax.train.placement import Placement
from sgl_jax.train.processes import run_on_first


__all__ = ["RecipeFolder", "find_run_folder", "is_recipe"]

OnEpoch: TypeAlias = Callable[[str, Record], None]


@dataclasses.dataclass(frozen=True)
class RecipeFolder:
    """A folder with the stages of a run.

    Attributes:
      path: path of the folder, which need not exist yet.
    """

    path: Path

    def train(
        self,
        stages: Mapping[str, Config],
        mode: Mode = "new",
        on_epoch: OnEpoch = lambda stage, record: None,
        placement: Placement | None = None,
    ) -> Run:
        """Trains the stages that are not done, each from the weights of the one before.

        A stage that trains on a fixed support from its first epoch on begins with the sparse
        parameters of the one before, the others with the trained ones.

        Args:
          stages: configs by the name of their stage, as :meth:`Recipe.plan` makes them.
          mode: treatment of a folder that is there, as of :class:`RunFolder`.
          on_epoch: called with stage and record after every epoch, those done before included.
          placement: the devices to train on, if many.

        Returns:
          The run of the last stage.

        Raises:
          FloatingPointError: the loss is no finite number.
          OSError: the folder is there already, or cannot be read or written.
          ValueError: options that do not fit, or other stages than the folder was made for.
        """
        run_on_first(lambda: self._open(stages, mode))
        run: Run | None = None
        for folder, (name, config) in zip(self.list_stages(stages), stages.items(), strict=True):
            make = prepare if run is None else partial(_prepare_after, run)
            run = folder.train(config, "resume", partial(on_epoch, name), placement, make)
        assert run is not None
        return run

    def read_stages(self) -> dict[str, Config]:
        """Reads the configs of the stages that the folder was made for.

        Raises:
          OSError: there is no such folder.
          ValueError: its file cannot be read.
        """
        with explain_damage("recipe", self._marker, "sgl-jax train --recipe"):
            found = json.loads(self._marker.read_text(encoding="utf-8"))["stages"]
            return {name: read_fields(fields) for name, fields in found.items()}

    @property
    def _marker(self) -> Path:
        return _mark(self.path)

    def list_stages(self, names: Iterable[str]) -> list[RunFolder]:
        """Lists the run folders of the stages.

        Args:
          names: the names of the stages.
        """
        return [RunFolder(self.path / f"{k}-{name}") for k, name in enumerate(names, 1)]

    def _open(self, stages: Mapping[str, Config], mode: Mode) -> None:
        """Writes the list of the stages, or compares it with the one that is there."""
        if find("recipe", self._marker, mode):
            if self.read_stages() != dict(stages):
                raise ValueError(
                    f"A recipe that goes on needs the options it began with, got others for "
                    f"{self.path}: give the same, or another --name."
                )
            return
        try:
            with replace_folder(self.path) as part:
                listed = {name: dataclasses.asdict(config) for name, config in stages.items()}
                text = json.dumps({"stages": listed}, indent=1) + "\n"
                (part / self._marker.name).write_text(text, encoding="utf-8")
        except OSError as error:
            raise make_write_error(self.path, error) from error


def _prepare_after(before: Run, config: Config, placement: Placement | None) -> Experiment:
    """Prepares a stage that begins with the weights of the one before."""
    experiment, state = before.experiment, before.experiment.read(before.state)
    on_support = config.finish_epochs == config.epochs
    params = get_sparse_params(experiment.config, state) if on_support else state.params
    return begin_from(
        prepare(config, placement), experiment.widen(params), experiment.widen(state.rest)
    )


def _mark(path: Path) -> Path:
    return path / "recipe.json"


def is_recipe(path: Path) -> bool:
    """True if a folder has the stages of a recipe.

    Args:
      path: path of the folder.
    """
    return _mark(path).exists()


def find_run_folder(path: Path) -> RunFolder:
    """Finds the run folder at a path: the path itself, or the last stage of a recipe folder.

    Args:
      path: the path.

    Raises:
      ValueError: the stages of a recipe folder cannot be read.
    """
    if not is_recipe(path):
        return RunFolder(path)
    folder = RecipeFolder(path)
    return folder.list_stages(folder.read_stages())[-1]
