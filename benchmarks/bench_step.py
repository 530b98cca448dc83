"""What a step of each algorithm costs beside plain ``optax.adam``, and beside the memory it moves.

Times ``update`` and ``apply_updates`` on the parameter trees of LeNet-5 (0.43M) and WRN-28-10
(36.5M): the optimizer alone, without a network, with donated buffers. Each algorithm takes turns
with plain Adam and with a copy of the parameters, so that the ratios of the medians hold on a noisy
machine. ``ratio`` is to Adam, ``to_traffic`` to the time in which the copy's bandwidth moves what
the step must at least move: every argument read once, every result written once. ``memory_ratio``
is what XLA allocates for the step, to Adam's, ``memory_in_turn`` the same where a CPU takes the
leaves one after the other. ``limit`` and ``memory_limit`` (of the latter) are what they should
stay under. What acts at a period acts at every step here.

    python benchmarks/bench_step.py [--tree lenet5|wrn28_10] [--rounds N] [--only NAME]
"""

import argparse
import functools
import gc
import statistics
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax
from _record import save
from _steps import TREES, Copy, Step, drawn

import sgl_jax as sgl


LAM = 1e-4
"""Strength of every penalty: small, as in training."""

RATE = 1e-3

CLOSED = ("capped_l1", "elastic_net", "l0", "l1", "mcp", "scad")
"""Penalties whose prox is a closed form; that of the others solves an equation."""

ENTRIES = {"transformed_l1": 2.2}
"""Limits on entries of those that solve an equation, where there is one."""

LEAN = 1.05
"""Limit of the memory where no second copy of the parameters is kept."""


class Row(NamedTuple):
    """An optimizer, and the limits on its time and memory, in those of Adam."""

    make: Callable[[], optax.GradientTransformation]
    limit: float | None = None
    memory_limit: float | None = None


def entry_limit(name: str) -> float | None:
    closed = 1.5 if jax.default_backend() == "cpu" else 1.2
    return closed if name in CLOSED else ENTRIES.get(name)


def of_penalties() -> dict[str, Row]:
    """The paper's splitting and proximal Adam with every penalty they take."""
    entries, found = sgl.by_entry(only="kernel"), {}
    for name, penalty in sgl.PENALTIES.items():
        if name == "nuclear":  # a singular value decomposition a step
            continue
        both = sgl.SparseGroup(penalty(LAM), sgl.L1(LAM))
        split = functools.partial(sgl.splitting, RATE, both, beta=3e-2)
        found[f"splitting {name}"] = Row(split, entry_limit(name), LEAN)
        if issubclass(penalty, sgl.NormPenalty):
            single = sgl.Regularizer(penalty(LAM), entries)
            alone = functools.partial(sgl.prox_adam, RATE, single)
            found[f"prox_adam {name}"] = Row(alone, entry_limit(name), LEAN)
            joint = functools.partial(sgl.prox_adam, RATE, both)
            limit = 4 if name == "l1" else 15 if name in CLOSED else 35
            found[f"prox_adam {name} sparse groups"] = Row(joint, limit, LEAN)
    return found


def of_algorithms() -> dict[str, Row]:
    """The other algorithms, most of them with the sparse group lasso."""
    both = sgl.SparseGroup(sgl.L1(LAM), sgl.L1(LAM))
    groups = sgl.Regularizer(sgl.L1(LAM), sgl.by_neuron())
    largest = sgl.Regularizer(sgl.TopK(0.2), sgl.by_layer(only="kernel"))
    adam = {"base": optax.adam}
    algorithms = {
        "prox_adam l1 groups": (sgl.prox_adam, groups, {}, 4, LEAN),
        "prox_sgd": (sgl.prox_sgd, both, {}, None, LEAN),
        "subgradient": (sgl.subgradient, both, {}, None, LEAN),
        "fista": (sgl.fista, both, {}, None, None),
        "rda": (sgl.rda, both, {}, None, None),
        "schedule_free": (sgl.schedule_free, both, {}, None, None),
        "admm": (sgl.admm, both, {"rho": 1e-2, "period": 1}, None, None),
        "relaxed_splitting": (sgl.relaxed_splitting, both, {"period": 1, **adam}, None, None),
        "hspg": (sgl.hspg, groups, adam, None, LEAN),
        "magnitude": (sgl.magnitude, largest, {"period": 1}, None, None),
    }
    return {
        name: Row(functools.partial(algorithm, RATE, regularizer, **options), limit, memory_limit)
        for name, (algorithm, regularizer, options, limit, memory_limit) in algorithms.items()
    }


def compared(row: Row, params: Any, grads: Any, rounds: int) -> dict[str, Any]:
    """Times a row beside Adam and a copy, in turn; the first round warms up."""
    adam, step, copy = (
        Step(optax.adam(RATE), params, grads),
        Step(row.make(), params, grads),
        Copy(params),
    )
    for _ in range(rounds + 1):
        for each in (copy, adam, step):
            each.run()
    base, own, moved = (statistics.median(each.seconds[1:]) for each in (adam, step, copy))
    least = step.traffic * moved / copy.traffic
    return {
        "median_ms": round(1e3 * own, 3),
        "ratio": round(own / base, 3),
        "limit": row.limit,
        "megabytes": round(step.traffic / 1e6, 2),
        "to_traffic": round(own / least, 3),
        "memory_ratio": round(step.memory / adam.memory, 3),
        "memory_in_turn": round(step.memory_in_turn / adam.memory_in_turn, 3),
        "memory_limit": row.memory_limit,
    }


def measure(tree: str, rounds: int, only: str) -> list[dict[str, Any]]:
    """A figure per optimizer on one tree."""
    params, grads = drawn(tree)
    rows = {"adam": Row(lambda: optax.adam(RATE)), **of_algorithms(), **of_penalties()}
    figures = []
    for name, row in rows.items():
        if only in name:
            figures.append(
                {"tree": tree, "candidate": name, **compared(row, params, grads, rounds)}
            )
            print(shown(figures[-1]), flush=True)
            gc.collect()
    return figures


def shown(row: dict[str, Any]) -> str:
    """A line of the table; a star marks what is over its limit."""
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
    parser.add_argument("--rounds", type=int, default=None, help="timed rounds (100; 7)")
    parser.add_argument("--only", default="", help="candidates whose name contains this")
    options = parser.parse_args()
    figures, defaults = [], {"lenet5": 100, "wrn28_10": 7}
    for tree in [options.tree] if options.tree else sorted(TREES):
        figures += measure(tree, options.rounds or defaults[tree], options.only)
    if not options.only and not options.tree:
        print(save("step", {"rounds": options.rounds or defaults, "lam": LAM}, figures))


if __name__ == "__main__":
    main()
