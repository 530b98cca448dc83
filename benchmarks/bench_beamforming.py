"""Seconds of beamforming for many channels at once, beside a loop of conic solves.

Every batch is one call under ``jax.vmap``, timed after a first one that compiles: beams and
reweighting for perfect channels, certified robust beams for all pairs, and reweighting with DC end
to end. Where cvxpy and Clarabel are installed, the conic programs of the first channels are solved
one by one in the same run; the ratio is that of seconds per channel.

With ``--table`` nothing is timed: every method runs on the same channels, and its totals are
compared with the best known of each; the powers on all pairs of the first channels are compared
with the values of their conic programs. Draws are of settings of this library.

    python benchmarks/bench_beamforming.py [--lanes N] [--conic N] [--rounds N] [--table]
        [--sizes small,medium] [--results DIR]
"""

import argparse
import functools
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _conic
import jax
import numpy as np
from _record import RESULTS, save

from sgl_jax.applications import beamforming as bf


JOBS: dict[str, tuple[bool, dict[str, Any]]] = {
    "perfect channels, reweighted": (False, {"method": "reweighted"}),
    "perfect channels, all pairs": (False, {"method": "all_on"}),
    "robust, all pairs": (True, {"method": "all_on"}),
    "robust, reweighted_dc": (True, {"method": "reweighted_dc"}),
}
"""What is timed: if for ellipsoids, and the options of ``solve``."""

TABLE: dict[str, dict[str, Any]] = {
    "all_on": {"method": "all_on"},
    "strongest": {"method": "strongest"},
    "l12": {"method": "l12"},
    "ordering": {"method": "ordering"},
    "reweighted": {"method": "reweighted"},
    "reweighted_dc": {"method": "reweighted_dc"},
    "reweighted_dc, local search": {"method": "reweighted_dc", "local_search": True},
}
"""The methods of the table."""


@functools.cache
def draw_lanes(size: str, lanes: int) -> tuple[bf.Network, bf.Ellipsoids]:
    """Draws networks and learns their sets, stacked along a first axis."""
    keys = jax.random.split(jax.random.key(2020), lanes)
    found = jax.vmap(lambda key: bf.draw(key, size=size))(keys)
    return found.network, jax.vmap(bf.learn_ellipsoids)(found.samples)


def make_job(robust: bool, options: dict[str, Any]) -> Callable[[Any, Any], Any]:
    """Makes the function of a batch."""

    def one(net: bf.Network, sets: bf.Ellipsoids) -> bf.Solution:
        return bf.solve(net, sets if robust else bf.perfect(sets.center), **options)

    return jax.vmap(one)


def time_job(job: Callable[[Any, Any], Any], lanes: Any, rounds: int) -> tuple[Any, float, float]:
    """Times a batch; returns its solutions, and seconds of the first call and of later ones."""
    seconds = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        out = jax.block_until_ready(job(*lanes))
        seconds.append(time.perf_counter() - began)
    return out, seconds[0], statistics.median(seconds[1:])


def describe(out: bf.Solution) -> dict[str, Any]:
    """Sums up the certificates of a batch."""
    feasible = np.asarray(out.feasible)
    transmit, lower = (np.asarray(x)[feasible] for x in (out.transmit_power, out.lower_bound))
    gap = (transmit - lower) / np.where(transmit > 0, transmit, 1.0)
    return {
        "feasible": int(feasible.sum()),
        "certified_1e_4": int(np.sum(gap <= 1e-4)),
        "largest_gap": float(gap.max(initial=0.0)),
        "rank_two": int(np.sum(np.asarray(out.rank_gap)[feasible] > 1e-5)),
        "least_margin": float(np.asarray(out.margin)[feasible].min(initial=np.inf)),
    }


def time_conic(size: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Solves the conic programs of the first channels, one by one."""
    figures = []
    for name, robust in (("perfect channels", False), ("robust", True)):
        lanes = take_lanes(size, options, options.conic)
        _conic.time_program(*lanes[0], robust=robust)  # a first one, which loads cvxpy
        found = [_conic.time_program(*one, robust=robust) for one in lanes]
        mean = statistics.mean(seconds for _, seconds in found)
        figure = {"size": size, "job": f"{name}, one cvxpy solve", "lanes": options.conic}
        figures.append(figure | {"s_per_channel": mean})
        print(figures[-1], flush=True)
    return figures


def take_lanes(size: str, options: argparse.Namespace, count: int) -> list[tuple[Any, Any]]:
    """Takes the first networks of a batch and their sets, as arrays of NumPy."""
    lanes = draw_lanes(size, options.lanes)
    return [jax.tree.map(lambda leaf, at=at: np.asarray(leaf[at]), lanes) for at in range(count)]


def compare_conic(size: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Compares powers and bounds on all pairs with the values of conic programs."""
    figures = []
    for name, robust in (("perfect channels", False), ("robust", True)):
        out = make_job(robust, {"method": "all_on"})(*draw_lanes(size, options.lanes))
        found = take_lanes(size, options, options.conic)
        values = np.array([_conic.time_program(*one, robust=robust)[0] for one in found])
        count = len(values)
        met, known = np.asarray(out.feasible)[:count], np.isfinite(values)
        both = met & known
        transmit, lower = (np.asarray(x)[:count] for x in (out.transmit_power, out.lower_bound))
        figures.append(
            {"size": size, "job": f"{name}, all pairs", "compared": int(both.sum())}
            | {"both_infeasible": int(np.sum(~met & np.isposinf(values)))}
            | {"unsolved_by_cvxpy": int(np.sum(np.isnan(values)))}
            | {"other_verdicts": int(np.sum((met != known) & ~np.isnan(values)))}
            | {"power_apart": [float(x) for x in (transmit / values - 1.0)[both]]}
            | {"bound_apart": [float(x) for x in (lower / values - 1.0)[both]]}
        )
        print(figures[-1], flush=True)
    return figures


def run_jobs(size: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Times every job on channels of a size."""
    lanes, figures = draw_lanes(size, options.lanes), []
    for name, (robust, given) in JOBS.items():
        out, first, later = time_job(make_job(robust, given), lanes, options.rounds)
        figure = {"size": size, "job": name, "lanes": options.lanes, "first_s": round(first, 2)}
        figure |= {"seconds": round(later, 4), "s_per_channel": later / options.lanes}
        figures.append(figure | describe(out))
        print(figures[-1], flush=True)
    return figures


def run_table(size: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Runs every method on the same channels, and compares it with the best known of each."""
    lanes, outs = draw_lanes(size, options.lanes), {}
    for name, given in TABLE.items():
        outs[name] = jax.block_until_ready(make_job(True, given)(*lanes))
        print(f"{size} {name}", flush=True)
    totals = np.array([np.where(out.feasible, out.total_power, np.inf) for out in outs.values()])
    solved = np.isfinite(totals).all(axis=0)
    ratios = totals[:, solved] / totals[:, solved].min(axis=0)
    figures = []
    for (name, out), ratio in zip(outs.items(), ratios, strict=True):
        figure = {"size": size, "method": name, "lanes": options.lanes, "compared": ratio.size}
        figure |= {"to_best_mean": float(ratio.mean()), "to_best_worst": float(ratio.max())}
        figure |= {"best_in": int(np.sum(ratio <= 1.0001))}
        pairs = np.asarray(out.tasking).sum(axis=(1, 2))[solved]
        figures.append(figure | {"pairs_mean": float(pairs.mean())} | describe(out))
        print(figures[-1], flush=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    many = 100 if jax.default_backend() == "cpu" else 10_000
    parser.add_argument("--lanes", type=int, default=many, help="channels of a batch")
    parser.add_argument("--conic", type=int, default=5, help="conic solves to compare with (5)")
    parser.add_argument("--rounds", type=int, default=2, help="timed calls of a batch (2)")
    parser.add_argument("--table", action="store_true", help="compare methods, and time nothing")
    parser.add_argument("--sizes", default="small,medium", help="sizes of networks, by commas")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the record")
    options = parser.parse_args()
    config = {"lanes": options.lanes, "conic": options.conic}
    config |= {} if options.table else {"rounds": options.rounds}
    name = "beamforming_methods" if options.table else "beamforming"
    measure, conic = (run_table, compare_conic) if options.table else (run_jobs, time_conic)
    figures: list[dict[str, Any]] = []
    for size in options.sizes.split(","):
        figures += measure(size, options)
        figures += conic(size, options) if _conic.HAVE else []
        saved = save(name, config, figures, options.results)
    print(saved)


if __name__ == "__main__":
    main()
