"""Seconds of beamforming for many channels at once, beside a loop of conic solves.

Every batch is one call under ``jax.vmap``, timed after a first one that compiles: reweighting for
perfect channels, certified robust beams for all pairs, reweighting with DC end to end, and all of
it with the local search. Where cvxpy and Clarabel are installed, the conic programs of the first
channels are solved one by one in the same run; the ratio is that of seconds per channel. With
``--table`` every method runs on the same channels, and its totals are compared with the best known
of each. Draws are of settings of this library.

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


def time_conic(size: str, lanes: int, count: int) -> list[dict[str, Any]]:
    """Solves the conic programs of the first feasible channels, one by one."""
    nets, sets = draw_lanes(size, lanes)
    figures = []
    for name, robust in (("perfect channels", False), ("robust", True)):
        times, values = [], []
        for lane in range(count):
            net, own = jax.tree.map(lambda leaf, at=lane: np.asarray(leaf[at]), (nets, sets))
            if robust:
                value, seconds = _conic.time_relaxation(net, own.center, own.root)
            else:
                value, seconds = _conic.time_perfect(net, own.center)
            times.append(seconds)
            values.append(value)
        mean = statistics.mean(times)
        figure = {"size": size, "job": f"{name}, one cvxpy solve", "lanes": count}
        figures.append(figure | {"s_per_channel": mean, "values_w": values})
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
    lanes, rows = draw_lanes(size, options.lanes), []
    for name, given in TABLE.items():
        out, _, later = time_job(make_job(True, given), lanes, 1)
        rows.append((name, out, later))
        print(f"{size} {name}: {later:.2f} s", flush=True)
    totals = np.array([np.where(out.feasible, out.total_power, np.inf) for _, out, _ in rows])
    best = totals.min(axis=0)
    solved = np.isfinite(totals).all(axis=0)
    figures = []
    for (name, out, later), total in zip(rows, totals, strict=True):
        ratio = total[solved] / best[solved]
        figure = {"size": size, "method": name, "lanes": options.lanes, "seconds": round(later, 3)}
        figure |= {"compared": int(solved.sum()), "to_best_mean": float(ratio.mean())}
        figure |= {"to_best_worst": float(ratio.max()), "best_in": int(np.sum(ratio <= 1.0001))}
        pairs = np.asarray(out.tasking).sum(axis=(1, 2))[solved]
        figures.append(figure | {"pairs_mean": float(pairs.mean())} | describe(out))
        print(figures[-1], flush=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    many = 100 if jax.default_backend() == "cpu" else 10_000
    parser.add_argument("--lanes", type=int, default=many, help="channels of a batch")
    parser.add_argument("--conic", type=int, default=5, help="conic solves to compare with (5)")
    parser.add_argument("--rounds", type=int, default=3, help="timed calls of a batch (3)")
    parser.add_argument("--table", action="store_true", help="compare all methods, too")
    parser.add_argument("--sizes", default="small,medium", help="sizes of networks, by commas")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the record")
    options = parser.parse_args()
    config = {"lanes": options.lanes, "rounds": options.rounds, "conic": options.conic}
    figures: list[dict[str, Any]] = []
    for size in options.sizes.split(","):
        figures += run_jobs(size, options)
        figures += time_conic(size, options.lanes, options.conic) if _conic.HAVE else []
        figures += run_table(size, options) if options.table else []
        save("beamforming", config, figures, options.results)
    print(save("beamforming", config, figures, options.results))


if __name__ == "__main__":
    main()
