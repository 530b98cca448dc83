"""What a step of each algorithm costs beside plain ``optax.adam``.

Times ``update`` and ``apply_updates`` on the parameter trees of LeNet-5 (0.43M) and WRN-28-10
(36.5M): the optimizer alone, without a network, with donated buffers, all candidates in turn within
one process, so that the ratios of the medians hold on a noisy machine. Memory is what XLA allocates
for the compiled step: arguments, outputs that alias none of them, and temporaries.

    python benchmarks/bench_step.py [--tree lenet5|wrn28_10] [--rounds N] [--only NAME]
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from _record import save

import sgl_jax as sgl


LAM = 1e-4
"""Strength of every penalty: small, as in training."""


def lenet5() -> dict[str, tuple[int, ...]]:
    """Shapes of the leaves of LeNet-5."""
    kernels = {"conv1": (5, 5, 1, 20), "conv2": (5, 5, 20, 50), "fc1": (800, 500), "fc2": (500, 10)}
    shapes = {f"{name}/kernel": shape for name, shape in kernels.items()}
    return shapes | {f"{name}/bias": shape[-1:] for name, shape in kernels.items()}


def wrn28_10() -> dict[str, tuple[int, ...]]:
    """Shapes of the leaves of a WRN-28-10 for ten classes: 36.5M parameters."""
    shapes = {"stem/kernel": (3, 3, 3, 16), "head/kernel": (640, 10), "head/bias": (10,)}
    norms, width = {"last": 640}, 16
    for group, out in enumerate((160, 320, 640)):
        for block in range(4):
            name = f"group{group}/block{block}"
            shapes[f"{name}/conv1/kernel"] = (3, 3, width, out)
            shapes[f"{name}/conv2/kernel"] = (3, 3, out, out)
            norms |= {f"{name}/norm1": width, f"{name}/norm2": out}
            if width != out:
                shapes[f"{name}/shortcut/kernel"] = (1, 1, width, out)
            width = out
    for name, size in norms.items():
        shapes |= {f"{name}/scale": (size,), f"{name}/bias": (size,)}
    return shapes


TREES = {"lenet5": lenet5, "wrn28_10": wrn28_10}


def candidates() -> dict[str, Callable[[], Any]]:
    """Every algorithm with every penalty it takes."""
    kernels = sgl.by_entry(only="kernel")
    sparse_group = sgl.SparseGroup(sgl.L1(LAM), sgl.L1(LAM))
    found = {"adam": lambda: optax.adam(1e-3)}
    for name, penalty in sgl.PENALTIES.items():
        if name == "nuclear":  # a singular value decomposition a step
            continue

        def splitting(penalty=penalty):
            return sgl.splitting(1e-3, sgl.SparseGroup(penalty(LAM), sgl.L1(LAM)), beta=3e-2)

        def entries(penalty=penalty):
            return sgl.prox_adam(1e-3, sgl.Regularizer(penalty(LAM), kernels))

        found[f"splitting {name}"] = splitting
        if issubclass(penalty, sgl.NormPenalty):
            found[f"prox_adam {name}"] = entries
    groups = sgl.Regularizer(sgl.L1(LAM), sgl.by_neuron())
    return found | {
        "prox_adam l1 groups": lambda: sgl.prox_adam(1e-3, groups),
        "prox_adam l1 sparse groups": lambda: sgl.prox_adam(1e-3, sparse_group),
        "prox_sgd l1 sparse groups": lambda: sgl.prox_sgd(1e-3, sparse_group),
        "subgradient l1 sparse groups": lambda: sgl.subgradient(1e-3, sparse_group),
    }


class Candidate:
    """A compiled step with a state of its own."""

    def __init__(self, tx: optax.GradientTransformation, params: Any, grads: Any):
        def step(grads, state, params):
            updates, state = tx.update(grads, state, params)
            return optax.apply_updates(params, updates), state

        self.params = jax.tree.map(jnp.copy, params)
        self.state = tx.init(self.params)
        self.grads = grads
        jitted = jax.jit(step, donate_argnums=(1, 2))
        self.compiled = jitted.lower(grads, self.state, self.params).compile()
        self.seconds: list[float] = []

    def run(self) -> None:
        start = time.perf_counter()
        self.params, self.state = self.compiled(self.grads, self.state, self.params)
        jax.block_until_ready((self.params, self.state))
        self.seconds.append(time.perf_counter() - start)

    @property
    def bytes(self) -> int:
        use = self.compiled.memory_analysis()
        total = use.argument_size_in_bytes + use.output_size_in_bytes + use.temp_size_in_bytes
        return total - use.alias_size_in_bytes


def measure(tree: str, rounds: int, only: str) -> list[dict[str, Any]]:
    """Times all candidates on one tree, interleaved; the first round warms up."""
    keys = jax.random.split(jax.random.key(0), len(TREES[tree]()))
    params = {
        path: 0.05 * jax.random.normal(key, shape)
        for key, (path, shape) in zip(keys, TREES[tree]().items(), strict=True)
    }
    grads = jax.tree.map(lambda w: 0.01 * w + 1e-3, params)
    chosen = {name: make for name, make in candidates().items() if name == "adam" or only in name}
    runs = {name: Candidate(make(), params, grads) for name, make in chosen.items()}
    for _ in range(rounds + 1):
        for run in runs.values():
            run.run()
    adam = runs["adam"]
    base = statistics.median(adam.seconds[1:])
    return [
        {
            "tree": tree,
            "candidate": name,
            "median_ms": round(1e3 * statistics.median(run.seconds[1:]), 3),
            "ratio": round(statistics.median(run.seconds[1:]) / base, 3),
            "memory_ratio": round(run.bytes / adam.bytes, 3),
        }
        for name, run in runs.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tree", choices=sorted(TREES), default=None, help="one tree (both)")
    parser.add_argument("--rounds", type=int, default=None, help="timed rounds (200; 9)")
    parser.add_argument("--only", default="", help="candidates whose name contains this")
    options = parser.parse_args()
    figures, defaults = [], {"lenet5": 200, "wrn28_10": 9}
    for tree in [options.tree] if options.tree else sorted(TREES):
        figures += measure(tree, options.rounds or defaults[tree], options.only)
    line = "{tree:9} {candidate:30} {median_ms:9.2f} ms  x{ratio:.2f}  memory x{memory_ratio:.2f}"
    for row in figures:
        print(line.format(**row))
    if not options.only and not options.tree:
        print(save("step", {"rounds": options.rounds or defaults, "lam": LAM}, figures))


if __name__ == "__main__":
    main()
