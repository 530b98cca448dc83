"""Sweeps: many runs that are compared, on disk.

In the order in which data flow:

- ``_grid``: options with several values make configs;
- ``_file``: :func:`make_sweep` makes a :class:`Sweep` of options, :func:`read_sweep` reads one from
  a file, and :data:`PRESETS` come with the package;
- ``_training``: the training of one of them, in stages if it has a recipe;
- ``_folder``: :class:`SweepFolder` trains the runs, and keeps their results;
- ``_summary``: :func:`summarize` takes means over seeds, :func:`find_dominated` compares points.
"""

from sgl_jax.runs.sweeps._file import (
    PRESETS as PRESETS,
    Sweep as Sweep,
    make_sweep as make_sweep,
    read_sweep as read_sweep,
)
from sgl_jax.runs.sweeps._folder import SweepFolder as SweepFolder
from sgl_jax.runs.sweeps._grid import Planned as Planned
from sgl_jax.runs.sweeps._summary import (
    Moments as Moments,
    Summary as Summary,
    find_dominated as find_dominated,
    find_front as find_front,
    summarize as summarize,
)
from sgl_jax.runs.sweeps._training import Failure as Failure


__all__ = [
    "PRESETS",
    "Failure",
    "Moments",
    "Planned",
    "Summary",
    "Sweep",
    "SweepFolder",
    "find_dominated",
    "find_front",
    "make_sweep",
    "read_sweep",
    "summarize",
]
