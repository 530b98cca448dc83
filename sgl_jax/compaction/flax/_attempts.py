"""Makes narrow modules and compares them with the full one."""

import dataclasses
import functools
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from flax import nnx

from sgl_jax._util.typing import Path
from sgl_jax.compaction import Removal, Report, measure_size
from sgl_jax.compaction.flax._keeping import Unit, fewest, find_units
from sgl_jax.compaction.flax._modes import TRAINING, Call, Modes, UnlikeError, split
from sgl_jax.compaction.flax._sizes import resize
from sgl_jax.compaction.flax._widths import counted_arrays, rescale


__all__ = ["Attempts", "Found", "rebuild"]


def rebuild(
    module: nnx.Module, narrow: Callable[[Any], Any]
) -> tuple[nnx.Module, dict[Path, float]]:
    """Makes a module with narrow arrays, sizes of its layers to match, and layers rescaled.

    Args:
      module: the full module; it stays as it is.
      narrow: takes the full state, and returns the narrow one.

    Returns:
      The module, and the factors of the arrays that were rescaled, by path.
    """
    graphdef, state, rest = split(module)
    small = nnx.merge(graphdef, narrow(state), rest, copy=True)
    resize(small)
    return small, rescale(module, small)


class Found(NamedTuple):
    """A narrow module that gives the same outputs.

    Attributes:
      narrow: the narrow network, as ``compact`` or a removal returned it.
      module: the module.
      modes: the module, taken apart.
      rescaled: the factors of the arrays that were rescaled, by path.
      error: the largest difference of outputs.
      scale: the largest output.
      holds: True if constants stay, since they are others in training mode.
    """

    narrow: Any
    module: nnx.Module
    modes: Modes
    rescaled: dict[Path, float]
    error: float
    scale: float
    holds: bool


class Attempts:
    """A full module, and the narrow ones that are compared with it.

    Attributes:
      full: the full module, taken apart.
    """

    def __init__(
        self, module: nnx.Module, call: Call, inputs: tuple[Any, ...], tolerance: float | None
    ) -> None:
        self.full = Modes.of(module, call)
        self._module, self._call, self._inputs = module, call, inputs
        self._tolerance = tolerance

    def check(self) -> None:
        """Raises ``ValueError`` if the module does not run in the training mode in which it is."""
        try:
            self.full.check(self._inputs)
        except UnlikeError as unlike:
            raise ValueError(
                f"{type(self._module).__name__} must run in the training mode in which it is, and "
                f"does not ({unlike}): call its eval() first, or pass a call= that runs it."
            ) from unlike

    def make(self, narrow: Callable[[Callable[..., Any]], Any]) -> Found:
        """Makes the module without what is dead in evaluation mode, else what is in both modes.

        Args:
          narrow: takes a function to trace, and returns the network without its dead channels.

        Raises:
          UnlikeError: the module does not give the same outputs.
        """
        evaluate, *both = self.full.traced
        try:
            return self._compared(narrow(evaluate), holds=False)
        except UnlikeError as unlike:
            if unlike.mode != TRAINING:
                raise
        return self._compared(narrow(both[0]), holds=True)

    def _compared(self, narrow: Any, holds: bool) -> Found:
        small, rescaled = rebuild(self._module, lambda state: narrow.params)
        modes = Modes.of(small, self._call)
        error, scale = self.full.compare(modes, self._inputs, self._tolerance)
        return Found(narrow, small, modes, rescaled, error, scale, holds)

    def report(self, found: Found) -> Report:
        """The report of a module that ``compact`` made."""
        report = dataclasses.replace(found.narrow.report, error=found.error, scale=found.scale)
        if not found.holds:
            return report
        pairs = (self.full, found.modes)
        before, after = (
            measure_size(modes.traced[0], modes.state, *self._inputs) for modes in pairs
        )
        why = "in training mode, in which the module is, it may be another number"
        kept = tuple(f"{item.partition(': ')[0]}: {why}" for item in report.kept)
        return dataclasses.replace(report, before=before, after=after, kept=kept)

    def explain(self, unlike: UnlikeError, protect: str | None, round_to: int) -> str:
        """Says why the module is refused, and what to keep so that it is not.

        Args:
          unlike: what the module does wrong.
          protect: the arrays that were protected.
          round_to: the number of which a multiple of channels is kept.
        """
        kept = self._fewest(protect, round_to)
        remedies = [f"keep some with protect={kept!r}"] * bool(kept)
        remedies += ["call its eval() first"] * (unlike.mode == TRAINING)
        return (
            f"{type(self._module).__name__} must give the same outputs by its own code without its "
            f"dead channels, and does not in {unlike.mode} mode ({unlike}): "
            f"{', or '.join([*remedies, 'use sgl.compact'])}, whose networks count as the full one."
        )

    def _fewest(self, protect: str | None, round_to: int) -> str | None:
        """A pattern of the fewest arrays that have to stay for the module to work."""
        removal = self._read(self.full.traced[0], protect)
        paths = list(removal.leaves)
        plan = removal.narrow(removal.search(round_to)).plan
        works = functools.cache(lambda pattern: self._works(pattern, round_to))
        found = fewest(
            find_units(removal, plan, list(counted_arrays(self._module))),
            lambda units: works(_pattern(units, protect, paths)),
        )
        return _pattern(found, protect, paths) if found else None

    def _works(self, protect: str, round_to: int) -> bool:
        """True if the module gives the same outputs with some arrays protected."""

        def narrow(traced):
            removal = self._read(traced, protect)
            return removal.narrow(removal.search(round_to))

        try:
            self.make(narrow)
        except (UnlikeError, ValueError):
            return False
        return True

    def _read(self, traced: Callable[..., Any], protect: str | None) -> Removal:
        return Removal.read(traced, self.full.state, self._inputs, protect, strict=False)


def _pattern(units: Sequence[Unit], protect: str | None, paths: Sequence[Path]) -> str:
    """A regular expression that finds the arrays of some units, and those protected before."""
    wanted = sorted({path for unit in units for path in unit.paths})
    pattern = "|".join(map(re.escape, wanted))
    if [path for path in paths if re.search(pattern, path)] != [p for p in paths if p in wanted]:
        pattern = f"^({pattern})$"
    return pattern if protect is None else f"{protect}|{pattern}"
