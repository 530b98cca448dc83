"""Measurement of calls that take turns, and choice of the quickest."""

import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

import jax

from sgl_jax._util.signals import raise_if_stopped


__all__ = ["MARGIN", "is_quicker", "time_in_turn"]

MARGIN = 0.03
"""Share of its time by which a call has to be quicker than another to be told from noise."""

Key = TypeVar("Key", bound=Hashable)


def time_in_turn(
    calls: Mapping[Key, Callable[[], Any]],
    rounds: int = 30,
    patience: float = 2.0,
    clock: Callable[[], float] | None = None,
) -> dict[Key, list[float]]:
    """Times calls round by round, so that other work of the machine slows all of them alike.

    Args:
      calls: functions of no arguments; each is called once before, which may compile it.
      rounds: measurements of each call.
      patience: seconds after which no further round begins, from the third on.
      clock: the time in seconds; ``time.perf_counter`` by default.

    Returns:
      The seconds of every round, until the results are computed.
    """
    clock = clock or time.perf_counter
    taken: dict[Key, list[float]] = {key: [] for key in calls}
    for call in calls.values():
        raise_if_stopped()
        jax.block_until_ready(call())
    began = clock()
    for number in range(rounds):
        raise_if_stopped()
        if number >= 3 and clock() - began > patience:
            break
        for key, call in calls.items():
            start = clock()
            jax.block_until_ready(call())
            taken[key].append(clock() - start)
    return taken


def is_quicker(taken: Sequence[float], other: Sequence[float]) -> bool:
    """True if a call is quicker than another by more than :data:`MARGIN`, in the median round.

    Args:
      taken: seconds of the call by round.
      other: seconds of the other call in the same rounds.
    """
    ratios = [new / max(old, 1e-12) for new, old in zip(taken, other, strict=True)]
    return statistics.median(ratios) < 1.0 - MARGIN
