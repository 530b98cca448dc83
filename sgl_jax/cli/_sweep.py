"""The command that trains a grid of runs."""

from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from sgl_jax._util.signals import raise_if_stopped
from sgl_jax.cli._given import UNSET, GivenAxes, list_values
from sgl_jax.cli._grid import to_rich
from sgl_jax.cli._names import check_name
from sgl_jax.cli._progress import SweepBar, hint_at_resuming, make_bars, show_messages
from sgl_jax.cli._summaries import SHORT, tabulate_summaries
from sgl_jax.runs.folder import Mode
from sgl_jax.runs.option_files import Axes
from sgl_jax.runs.results import Result
from sgl_jax.runs.sweeps import (
    Failure,
    Sweep,
    SweepFolder,
    make_sweep,
    read_sweep,
    summarize,
)


__all__ = ["sweep"]


def sweep(
    axes: Annotated[GivenAxes, tyro.conf.OmitArgPrefixes] = UNSET,
    preset: str | None = None,
    only: tuple[str, ...] = (),
    name: str = "sweep",
    runs: Path = Path("runs"),
    resume: bool = False,
    overwrite: bool = False,
    lanes: int | None = None,
) -> None:
    """Trains every combination of the values of options, and compares them.

    An option may have several values, as in --lam 0.1 0.2 --seed 0 1 2. A file of methods, or one
    that comes with the package, is given by --preset; the options then hold for all its methods.
    Everything goes to the folder RUNS/NAME, from which an interrupted sweep goes on with --resume;
    sgl-jax report makes tables and figures of it.

    Args:
      axes: the options of the runs.
      preset: name of a sweep that comes with the package (sgl-jax list), or the path of a .toml
        file.
      only: methods of the preset to train, or groups of them, by name; all without it.
      name: name of the sweep.
      runs: folder of the run folders.
      resume: go on with the sweep of this name; without options, as it is.
      overwrite: delete the sweep of this name first.
      lanes: runs of equal shapes that one program trains at a time, at most; by default 64, or 1 on
        a CPU, where they are quicker one after the other.
    """
    if resume and overwrite:
        raise ValueError(
            "A sweep can be resumed or overwritten, got both --resume and --overwrite."
        )
    mode: Mode = "resume" if resume else "overwrite" if overwrite else "new"
    folder, console = SweepFolder(runs / check_name(name)), Console()
    chosen = _choose(folder, list_values(axes), (preset, only), mode)
    with hint_at_resuming(folder.path, "sweep"), show_messages(console):
        results, failed = _train(folder, chosen, mode, console, lanes)
        raise_if_stopped()
    if results:
        console.print(*map(to_rich, tabulate_summaries(summarize(results), SHORT)))
    console.print(f"The results: {folder.path}; `sgl-jax report {folder.path}` shows them.")
    if failed:
        raise ValueError(
            f"{len(failed)} of {len(chosen.runs)} runs were not finished, among them "
            f"{failed[0].run!r}: {failed[0].error}"
        )


def _choose(
    folder: SweepFolder, axes: Axes, source: tuple[str | None, tuple[str, ...]], mode: Mode
) -> Sweep:
    """Chooses the runs: of a preset, of options, or on resuming those that are there."""
    preset, only = source
    if preset is not None:
        return read_sweep(preset, axes, only)
    if only:
        raise ValueError(
            f"--only needs a --preset to choose methods from, got {' '.join(only)} and no preset."
        )
    if axes:
        return make_sweep(axes)
    if mode == "resume":
        return folder.read_sweep()
    raise ValueError(
        "A sweep needs a --preset or options with several values, got neither: give for example "
        "--lam 0.1 0.2."
    )


def _train(
    folder: SweepFolder, chosen: Sweep, mode: Mode, console: Console, lanes: int | None
) -> tuple[list[Result], list[Failure]]:
    """Trains the runs; returns the results of those that were finished, and the others."""
    results: list[Result] = []
    failed: list[Failure] = []
    with make_bars(console) as progress:
        bar = SweepBar(progress, chosen)
        for found in folder.train(chosen, mode, bar.on_epoch, lanes):
            bar.on_end(found)
            if isinstance(found, Result):
                results.append(found)
            else:
                failed.append(found)
    return results, failed
