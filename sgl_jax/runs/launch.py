"""The launch of a run: its devices, in one process or in several that are started alike."""

import dataclasses
from typing import Literal

from sgl_jax.train.placement import Placement, data_parallel, fully_sharded
from sgl_jax.train.processes import join


__all__ = ["Launch"]

PLACEMENTS = {"one": lambda: None, "data": data_parallel, "params": fully_sharded}


@dataclasses.dataclass(frozen=True)
class Launch:
    """The devices to train on, by one process or by several that are started alike.

    Attributes:
      devices: one; data to split every batch over all devices; params to split parameters and
        optimizer state, too.
      distributed: train together with the other processes that were started with the same options;
        SLURM, Open MPI and clouds tell them.
      coordinator: HOST:PORT of process 0, unless SLURM, Open MPI or a cloud tells it.
      processes: number of processes, likewise.
      process: number of this process, from 0, likewise.
    """

    devices: Literal["one", "data", "params"] = "one"
    distributed: bool = False
    coordinator: str | None = None
    processes: int | None = None
    process: int | None = None

    def start(self) -> Placement | None:
        """Joins the other processes of a distributed training, and finds the devices.

        Raises:
          ConnectionError: the others cannot be reached.
          ValueError: options that do not fit.
        """
        self._check()
        if self.distributed:
            join(self.coordinator, self.processes, self.process)
        return PLACEMENTS[self.devices]()

    def _check(self) -> None:
        """Raises ``ValueError`` if options do not fit together."""
        where = (self.coordinator, self.processes, self.process)
        if self.distributed and self.devices == "one":
            raise ValueError(
                "Processes that train together need --devices data or --devices params, got one."
            )
        if not self.distributed and where != (None, None, None):
            raise ValueError(
                "--coordinator, --processes and --process need --distributed, got them without it."
            )
        if None in where and where != (None, None, None):
            raise ValueError(
                "--coordinator, --processes and --process need to be given together or not at "
                f"all, got {self.coordinator}, {self.processes} and {self.process}."
            )
        if self.process is not None and not 0 <= self.process < (self.processes or 0):
            raise ValueError(
                f"--process needs to be from 0 to {self.processes} - 1, got {self.process}."
            )
