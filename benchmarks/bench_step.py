"""Costs of a step of each algorithm beside plain ``optax.adam``, and beside the memory it moves.

Times ``update`` and ``apply_updates`` on the parameter trees of LeNet-5 (0.43M) and WRN-28-10
(36.5M): the optimizer alone, without a network, with donated buffers. Each algorithm takes turns
with plain Adam and with a copy, so that the ratios of the medians hold on a noisy machine.
``ratio`` is to Adam, ``to_traffic`` to the time in which the copy's bandwidth moves what the step
must at least move: every argument read once, every result written once. ``memory_ratio`` is what
XLA allocates for the step, to Adam's, ``memory_in_turn`` the same where a CPU takes the leaves one
after the other. ``limit`` and ``memory_limit`` (of the latter) are what they should stay under.
Actions at a period happen at every step here.

On a CPU a step is a call. On a GPU, where a call of hundreds of buffers takes longer than what it
starts, ``median_ms`` and ``ratio`` are those of a step within one ``lax.scan``, as
``train_epoch`` runs it there, every one with a gradient of its own; ``call_ms`` and ``call_ratio``
are those of calls that do not wait for each other. Everything is compiled before anything is timed.

    python benchmarks/bench_step.py [--tree lenet5|wrn28_10] [--rounds N] [--only REGEX]
        [--skip REGEX] [--workers N] [--seconds N] [--results DIR]
"""

import argparse
import gc
import os
import re
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
from _candidates import LAM, Row, list_candidates
from _record import RESULTS, save
from _steps import (
    SCANNED,
    TREES,
    Copy,
    Program,
    Scan,
    Step,
    compile_program,
    draw_gradients,
    draw_params,
    on_cpu,
)


ROUNDS = {True: {"lenet5": 100, "wrn28_10": 7}, False: {"lenet5": 20, "wrn28_10": 7}}
"""Timed rounds on a CPU, and elsewhere."""


class Optimizer:
    """The ways in which an optimizer's step is timed; the last is the one that counts."""

    def __init__(self, compiled: Program, params: Any, grads: Any, stack: Any):
        self.program = compiled
        if on_cpu():
            self.ways = [Step(compiled, params, grads)]
        else:
            self.ways = [Step(compiled, params, grads, 10), Scan(compiled, params, stack)]

    def medians(self) -> list[float]:
        """Seconds a step, without the first round, which warms up; forgets them."""
        found = [statistics.median(way.seconds[1:]) for way in self.ways]
        for way in self.ways:
            way.seconds = []
        return found


class Bench:
    """A tree, plain Adam and a copy to compare with; the same for all candidates.

    Args:
      tree: name of the tree.
      rounds: timed rounds.
      adam: plain Adam, compiled.
    """

    def __init__(self, tree: str, rounds: int, adam: Program):
        self.tree, self.rounds = tree, rounds
        self.params, self.grads = draw_params(tree)
        self.stack = None if on_cpu() else draw_gradients(self.params, SCANNED[tree])
        self.adam, self.copy = self.optimizer(adam), Copy(self.params)

    def optimizer(self, compiled: Program) -> Optimizer:
        return Optimizer(compiled, self.params, self.grads, self.stack)

    def figure(self, name: str, row: Row, compiled: Program) -> dict[str, Any]:
        """Times a candidate beside Adam and a copy, in turn."""
        own = self.optimizer(compiled)
        for _ in range(self.rounds + 1):
            for each in (self.copy, *self.adam.ways, *own.ways):
                each.run()
        moved = statistics.median(self.copy.seconds[1:])
        self.copy.seconds = []
        seconds, base = own.medians(), self.adam.medians()
        least, adam = compiled.traffic * moved / self.copy.traffic, self.adam.program
        called = {
            "call_ms": round(1e3 * seconds[0], 4),
            "call_ratio": round(seconds[0] / base[0], 3),
        }
        return {
            "tree": self.tree,
            "candidate": name,
            "median_ms": round(1e3 * seconds[-1], 4),
            "ratio": round(seconds[-1] / base[-1], 3),
            "limit": row.limit,
            **({} if on_cpu() else called),
            "megabytes": round(compiled.traffic / 1e6, 2),
            "to_traffic": round(seconds[-1] / least, 3),
            "memory_ratio": round(compiled.memory / adam.memory, 3),
            "memory_in_turn": round(compiled.memory_in_turn / adam.memory_in_turn, 3),
            "memory_limit": row.memory_limit,
        }


def compile_all(
    rows: dict[str, Row], trees: list[str], workers: int, seconds: float
) -> dict[tuple[str, str], Program | str]:
    """Compiles the programs of all rows on all trees; a string says why one is missing."""
    params, start = {tree: draw_params(tree)[0] for tree in trees}, time.monotonic()

    def build(name: str, tree: str) -> Program | str:
        if time.monotonic() > start + seconds:
            return f"not begun after {seconds:.0f} s"
        try:
            return compile_program(rows[name].make(), params[tree], SCANNED[tree])
        except jax.errors.JaxRuntimeError as error:
            return f"not compiled: {error}"

    tasks = [(name, tree) for name in rows for tree in trees]
    with ThreadPoolExecutor(workers) as pool:
        found = dict(zip(tasks, pool.map(lambda task: build(*task), tasks), strict=True))
    print(f"compiled {len(tasks)} candidates in {time.monotonic() - start:.0f} s", flush=True)
    return found


def measure(rows: dict[str, Row], options: argparse.Namespace) -> None:
    """Times every row on every tree, and saves the record after each, if there is a folder."""
    trees = [options.tree] if options.tree else sorted(TREES)
    programs = compile_all(rows, trees, options.workers, options.seconds)
    rounds = {tree: options.rounds or ROUNDS[on_cpu()][tree] for tree in trees}
    benches = {tree: Bench(tree, rounds[tree], programs["adam", tree]) for tree in trees}
    config = {"rounds": rounds, "lam": LAM}
    if not on_cpu():
        config |= {"scanned": SCANNED}
    if left_out := {" ".join(at): why for at, why in programs.items() if isinstance(why, str)}:
        config |= {"left_out": left_out}
    figures = []
    for (name, tree), found in programs.items():
        if isinstance(found, str):
            print(f"{tree:9} {name:36} {found}", flush=True)
            continue
        figures.append(benches[tree].figure(name, rows[name], found))
        print(format_row(figures[-1]), flush=True)
        gc.collect()
        if options.results:
            path = save("step", config, figures, options.results)
    if options.results:
        print(path)


def format_row(row: dict[str, Any]) -> str:
    """Formats a line of the table; a star marks a figure over its limit."""
    over, fat = (
        "*" if row[limit] is not None and row[figure] > row[limit] else " "
        for figure, limit in (("ratio", "limit"), ("memory_in_turn", "memory_limit"))
    )
    line = (
        "{tree:9} {candidate:36} {median_ms:9.2f} ms  x{ratio:<6.2f}{over} of memory's pace "
        "x{to_traffic:<6.2f} memory x{memory_ratio:.2f}, in turn x{memory_in_turn:.2f}{fat}"
    )
    return line.format(**row, over=over, fat=fat)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tree", choices=sorted(TREES), default=None, help="one tree (both)")
    parser.add_argument(
        "--rounds", type=int, default=None, help="timed rounds (100, 7; off the CPU 20, 7)"
    )
    parser.add_argument("--only", default="", help="candidates in whose name this is found")
    parser.add_argument("--skip", default="(?!)", help="candidates to leave out, likewise")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="compile at a time")
    parser.add_argument("--seconds", type=float, default=3600, help="begin no compilation after")
    parser.add_argument("--results", type=Path, default=None, help="folder of the record")
    options = parser.parse_args()
    if not (options.only or options.tree or options.results):
        options.results = RESULTS
    rows = {
        name: row
        for name, row in list_candidates().items()
        if name == "adam" or (re.search(options.only, name) and not re.search(options.skip, name))
    }
    measure(rows, options)


if __name__ == "__main__":
    main()
