"""Summary of the rounds of a measurement; needs no library."""

import statistics


__all__ = ["summarize"]


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
