"""Rounds of a measurement in short; needs no library."""

import statistics


__all__ = ["in_short"]


def in_short(rounds: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """The first round, which pays for what is made once, and the medians of the others."""
    first, *later = rounds
    medians = {
        name: statistics.median([found[name] for found in later or rounds]) for name in first
    }
    return {
        "first_s": {name: round(t, 4) for name, t in first.items()},
        "median_s": {name: round(t, 4) for name, t in medians.items()},
    }
