"""Rounds of a measurement, and their summary; needs no library."""

import statistics
import time
from collections.abc import Callable, Mapping


__all__ = ["summarize", "time_second_calls"]


def time_second_calls(
    runs: Mapping[str, Callable[[], None]], rounds: int, warm: int
) -> dict[str, float]:
    """Times candidates in turn; of two calls in a row the second counts.

    Args:
      runs: functions that take a step and wait for it, by name.
      rounds: rounds that count.
      warm: rounds before them.

    Returns:
      The median seconds of each.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds + warm):
        for name, run in runs.items():
            run()
            began = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(times[warm:]) for name, times in seconds.items()}


def summarize(rounds: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Takes the first round, which pays for compilations and caches, and medians of the others."""
    first, *later = rounds
    medians = {
        name: statistics.median([found[name] for found in later or rounds]) for name in first
    }
    return {
        "first_s": {name: round(t, 4) for name, t in first.items()},
        "median_s": {name: round(t, 4) for name, t in medians.items()},
    }
