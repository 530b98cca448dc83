"""Costs of many runs of the binarised network in one call, beside a loop over them in NumPy.

A thousand true filters, starts and strengths, a lane each: ``fit`` compiled for all, whose first
call is left out, and the same updates in NumPy, one run after the other as a user would write it
(``loop``, timed on some of the runs) and over all runs at once (``arrays``). All take turns within
one process, so that ratios hold on a noisy machine; ``apart`` is the largest difference of an entry
of the filters from those of ``fit``.

    python benchmarks/bench_binarised.py [--lanes N] [--size N] [--steps N] [--rounds N]
        [--looped N] [--results DIR]
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from _record import RESULTS, save
from _rounds import summarize

import sgl_jax as sgl
from sgl_jax.applications import binarised


BETA = 4.0


def draw(lanes: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws true filters with a fifth of their entries, starts, and strengths of l1."""
    generator = np.random.default_rng(0)
    w_star = generator.normal(size=(lanes, size))
    w_star[:, size // 5 :] = 0.0
    w_star /= np.linalg.norm(w_star, axis=1, keepdims=True)
    return w_star, generator.normal(size=(lanes, size)), generator.uniform(0.05, 1.0, lanes)


def iterate(w_star: np.ndarray, w: np.ndarray, lam: Any, c: float, steps: int) -> np.ndarray:
    """Runs the iteration in NumPy, for one filter or for an array of them."""
    step, threshold = 1.0 / (c + BETA), lam / BETA
    w = w / np.linalg.norm(w, axis=-1, keepdims=True)
    for _ in range(steps):
        u = np.sign(w) * np.maximum(np.abs(w) - threshold, 0.0)
        g = c * (w / np.linalg.norm(w, axis=-1, keepdims=True) - w_star)
        w = w - step * (g + BETA * (w - u))
        w = w / np.linalg.norm(w, axis=-1, keepdims=True)
    return w


def ways(options: argparse.Namespace) -> dict[str, Callable[[], np.ndarray]]:
    """Prepares the calls that are compared."""
    w_star, start, lam = draw(options.lanes, options.size)
    problem = binarised.Population(jnp.asarray(w_star), k=20)
    penalty, first = sgl.L1(jnp.asarray(lam)), jnp.asarray(start)

    def fit() -> np.ndarray:
        run = binarised.fit(problem, first, penalty, beta=BETA, steps=options.steps)
        return np.asarray(run.w)

    def loop() -> np.ndarray:
        chosen = zip(w_star, start, lam, strict=True)
        runs = [next(chosen) for _ in range(options.looped)]
        return np.stack([iterate(*run, problem.constant, options.steps) for run in runs])

    def arrays() -> np.ndarray:
        return iterate(w_star, start, lam[:, None], problem.constant, options.steps)

    return {"fit": fit, "loop": loop, "arrays": arrays}


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Times every way in turn; a figure for each."""
    rounds, found, calls = [], {}, ways(options)
    for _ in range(options.rounds + 1):
        rounds.append({})
        for name, call in calls.items():
            began = time.perf_counter()
            found[name] = call()
            rounds[-1][name] = time.perf_counter() - began
    times = summarize(rounds)
    scale = {"fit": 1.0, "loop": options.lanes / options.looped, "arrays": 1.0}
    seconds = {name: scale[name] * t for name, t in times["median_s"].items()}
    return [
        {
            "candidate": name,
            "lanes": options.lanes,
            "timed_lanes": len(found[name]),
            "first_s": times["first_s"][name],
            "median_s": round(t, 4),
            "ratio": round(t / seconds["fit"], 2),
            "apart": float(np.max(np.abs(found[name] - found["fit"][: len(found[name])]))),
        }
        for name, t in seconds.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lanes", type=int, default=1000, help="runs (1000)")
    parser.add_argument("--size", type=int, default=50, help="entries of a filter (50)")
    parser.add_argument("--steps", type=int, default=500, help="updates of a run (500)")
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds (5)")
    parser.add_argument(
        "--looped", type=int, default=50, help="runs that the loop is timed on (50)"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the record")
    options = parser.parse_args()
    with jax.enable_x64(True):
        figures = measure(options)
    for figure in figures:
        print("  ".join(f"{key} {value}" for key, value in figure.items()))
    names = ("size", "steps", "rounds", "looped")
    config = {name: getattr(options, name) for name in names} | {"dtype": "float64"}
    print(save("binarised", config, figures, options.results))


if __name__ == "__main__":
    main()
