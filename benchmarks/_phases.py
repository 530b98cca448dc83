"""Seconds of ``sgl.compact``, phase by phase.

    python benchmarks/_phases.py NETWORK [ROUNDS]

prints the seconds of the first of some calls and the medians of the later ones as JSON, half of the
channels dead.
"""

import contextlib
import functools
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import jax
from _dead import draw_images, make_dead_networks
from _rounds import summarize

import sgl_jax as sgl
from sgl_jax.compaction import _compact, _removal
from sgl_jax.compaction.channels import _network


__all__ = ["PHASES", "time_phases"]

PHASES = {
    "tracing": [(_compact, "trace"), (_network, "trace")],
    "graph": [(_network, "read_program")],
    "facts": [(_removal, "propagate_constants")],
    "search": [(_removal.Removal, "search")],
    "narrowing": [(_removal.Removal, "narrow")],
    "check": [(_compact, "check_equal")],
}
"""Functions that each phase of a call runs; the time outside of them is ``rest``."""


@contextlib.contextmanager
def time_phases() -> Iterator[dict[str, float]]:
    """Fills a dict with the seconds that calls of ``sgl.compact`` within it spend in each phase."""
    found = dict.fromkeys(PHASES, 0.0)
    with contextlib.ExitStack() as stack:
        for phase, places in PHASES.items():
            for owner, name in places:
                function = _add_timer(getattr(owner, name), phase, found)
                stack.enter_context(mock.patch.object(owner, name, function))
        began = time.perf_counter()
        yield found
        whole = time.perf_counter() - began
    found["rest"] = whole - sum(found.values())
    found["all but check"] = whole - found["check"]
    found["all"] = whole


def _add_timer(
    function: Callable[..., Any], phase: str, found: dict[str, float]
) -> Callable[..., Any]:
    """Adds the seconds of a function to those of its phase."""

    @functools.wraps(function, updated=())
    def run(*args, **kwargs):
        began = time.perf_counter()
        result = function(*args, **kwargs)
        found[phase] += time.perf_counter() - began
        return result

    return run


def main() -> None:
    name, rounds = sys.argv[1], int((sys.argv[2:] or ["5"])[0])
    (dead,) = make_dead_networks(name, [0.5]).values()
    x, found = jax.block_until_ready((draw_images(name, 1), []))
    for _ in range(rounds):
        with time_phases() as seconds:
            small = sgl.compact(dead.apply, dead.params, x)
        found.append(seconds)
    parameters = sum(leaf.size for leaf in jax.tree.leaves(small.params[0]))
    print(json.dumps(summarize(found) | {"parameters": parameters}))


if __name__ == "__main__":
    main()
