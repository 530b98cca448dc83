"""Costs of compaction, and latencies of the compacted network.

The first part times ``sgl.compact`` on networks of which half of the channels are dead, phase by
phase, and Torch-Pruning (``pip install torch torch-pruning``, here or in an environment of its own
that ``--torch-python`` names) as it builds its graph of the same network and prunes half of every
group. Each run is a process of its own, of both in turn: the first call in a process pays for what
is made once. Torch-Pruning does not check what it did; the equality check here, which compiles both
networks, is a phase apart.

The second part times calls of the dense network, of the compacted one and of the one that is built
narrow by hand, each compiled, in turn within one process, so that the ratios of the medians hold on
a noisy machine. That all answer alike is checked before; ``same_operations`` is true if XLA made
the same operations on the same shapes of the compacted network as of that built by hand. On a
CPU the wide network gets batches of 32 in place of 256, which would take it half a minute each.

    python benchmarks/bench_compact.py [--parts times latency] [--networks NAME ...] [--rounds N]
        [--limit SECONDS] [--seconds SECONDS] [--torch-python PYTHON] [--results DIR]
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np
from _dead import NETWORKS, Dead, draw_images, make_dead_networks
from _phases import time_phases
from _record import RESULTS, save

import sgl_jax as sgl


HERE = Path(__file__).parent
ON_CPU = jax.default_backend() == "cpu"
SHARES = [0.5, 0.9]
CONVERTED = ["resnet56_projection", "wrn28_10"]
"""Networks that `_torch_pruning.py` has, too."""


def time_compaction(name: str, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Times ``compact`` and Torch-Pruning, in processes that take turns."""
    if name not in CONVERTED:
        return
    scripts = {"sgl_jax": [sys.executable, str(HERE / "_phases.py"), name]}
    peer = subprocess.run([options.torch_python, "-c", "import torch_pruning"], capture_output=True)
    if peer.returncode == 0:
        scripts["torch-pruning"] = [options.torch_python, str(HERE / "_torch_pruning.py"), name]
    else:
        print("Torch-Pruning is not installed: left out.")
    found: dict[str, list[dict[str, Any]]] = {library: [] for library in scripts}
    for _ in range(options.processes):
        for library, command in scripts.items():
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
            found[library].append(json.loads(done.stdout))
    for library, runs in found.items():
        yield _take_medians(name, library, runs)


def _take_medians(name: str, library: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Takes medians over processes, of the first call of each and of the later ones."""
    figure: dict[str, Any] = {"network": name, "library": library}
    for kind in ("first_s", "median_s"):
        figure[kind] = {
            phase: round(statistics.median(run[kind][phase] for run in runs), 4)
            for phase in runs[0][kind]
        }
    return figure | {"parameters": runs[0]["parameters"]}


Way = tuple[Callable[..., Any], Any]
"""A network and its parameters."""


def measure_latency(name: str, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Measures milliseconds of a call, dense, compacted and built by hand, per batch size."""
    networks = make_dead_networks(name, SHARES)
    ways = {("dense", 0.0): (networks[SHARES[0]].apply, networks[SHARES[0]].params)}
    for share, dead in networks.items():
        with time_phases() as seconds:
            small = sgl.compact(dead.apply, dead.params, draw_images(name, 1))
        seconds = {phase: round(t, 3) for phase, t in seconds.items()}
        yield {"network": name, "dead": share, "compact_s": seconds}
        ways["compact", share] = small.apply, small.params
        ways["by hand", share] = dead.hand_apply, dead.hand_params
    large = 32 if ON_CPU and name == "wrn28_10" else 256
    for size in (1, large):
        x = draw_images(name, size)
        runs = compile_all(ways, x)
        errors = measure_differences(runs, networks, x)
        medians = time_calls(runs, x, options)
        yield from make_rows({"network": name, "batch_size": size}, runs, errors, medians)


def compile_all(ways: dict[Any, Way], x: jax.Array) -> dict[Any, Way]:
    """Compiles every network, by many threads."""
    lowered = [jax.jit(apply).lower(params, x) for apply, params in ways.values()]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        programs = pool.map(lambda program: program.compile(), lowered)
        return {
            way: (program, params)
            for program, (way, (_, params)) in zip(programs, ways.items(), strict=True)
        }


def measure_differences(
    runs: dict[Any, Way], networks: dict[float, Dead], x: jax.Array
) -> dict[Any, float]:
    """Measures the largest difference from the dense network, relative to its largest output.

    In the precision of the timed calls, which is less than that of float32 on a GPU.
    """
    (dense, _), found, allowed = runs["dense", 0.0], {}, 1e-5 if ON_CPU else 0.05
    for share, dead in networks.items():
        expected = np.asarray(dense(dead.params, x))
        for way in (("compact", share), ("by hand", share)):
            program, params = runs[way]
            error = np.abs(np.asarray(program(params, x)) - expected).max()
            found[way] = float(error / np.abs(expected).max())
            if not found[way] <= allowed:
                raise ValueError(f"{way} differs from the dense network by {found[way]:.1e}.")
    return found


def time_calls(runs: dict[Any, Way], x: jax.Array, options: argparse.Namespace) -> dict[Any, float]:
    """Times the calls in turn, as median seconds; short calls come in a row, after one more."""
    calls, seconds = {}, {way: [] for way in runs}
    for way, (program, params) in runs.items():
        calls[way] = max(1, min(20, int(0.03 / _time_calls(program, params, x, 1))))
    began, order = time.monotonic(), list(runs)
    for number in range(options.rounds):
        if number >= 5 and time.monotonic() - began > options.limit:
            break
        for way in order:
            program, params = runs[way]
            if calls[way] > 1:
                _time_calls(program, params, x, 1)
            seconds[way].append(_time_calls(program, params, x, calls[way]))
        order = order[::-1]
    return {way: statistics.median(found) for way, found in seconds.items()}


def _time_calls(program: Any, params: Any, x: jax.Array, calls: int) -> float:
    began = time.perf_counter()
    for _ in range(calls):
        jax.block_until_ready(program(params, x))
    return (time.perf_counter() - began) / calls


def make_rows(
    about: dict[str, Any],
    runs: dict[Any, Way],
    errors: dict[Any, float],
    medians: dict[Any, float],
) -> list[dict[str, Any]]:
    """Makes a row of figures for each network."""
    found = []
    for way, median in medians.items():
        name, share = way
        row = about | {"dead": share, "candidate": name, "median_ms": round(1e3 * median, 3)}
        row["to_dense"] = round(median / medians["dense", 0.0], 3)
        if name != "dense":
            row["error"] = float(f"{errors[way]:.1e}")
        if name == "compact":
            by_hand = "by hand", share
            row["to_hand"] = round(median / medians[by_hand], 3)
            ours, theirs = (count_operations(runs[each][0]) for each in (way, by_hand))
            row["same_operations"] = ours == theirs
        found.append(row)
    return found


def count_operations(program: Any) -> Counter:
    """Counts the operations of a program by kind and shape."""
    return Counter(re.findall(r" = (\S+ [\w-]+)\(", program.as_text()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = {"times": time_compaction, "latency": measure_latency}
    default = list(parts) if ON_CPU else ["latency"]
    parser.add_argument("--parts", nargs="+", choices=parts, default=default, help="what to time")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--processes", type=int, default=5, help="of each library (5)")
    parser.add_argument("--rounds", type=int, default=30, help="timed rounds (30)")
    parser.add_argument("--limit", type=float, default=60, help="no 6th round after seconds (60)")
    parser.add_argument("--seconds", type=float, default=3600, help="begin no network after")
    parser.add_argument("--torch-python", default=sys.executable, help="has Torch-Pruning")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the record")
    options = parser.parse_args()
    config = {key: getattr(options, key) for key in ("processes", "rounds", "limit")}
    figures: list[dict[str, Any]] = []
    began = time.monotonic()
    for part in options.parts:
        for name in options.networks:
            if time.monotonic() - began > options.seconds:
                print(f"{part} of {name}: left out, for want of time.")
                continue
            for figure in parts[part](name, options):
                print("  ".join(f"{key} {value}" for key, value in figure.items()), flush=True)
                figures.append(figure)
                path = save("compact", config, figures, options.results)
    print(f"{path}, in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
