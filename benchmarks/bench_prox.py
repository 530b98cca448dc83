"""Costs of proximal operators beside a plain copy of the array.

Ten million float32 entries, the kernel of a convolution: every penalty on its entries, on its
filters, and sparse groups of both; and rounding to levels of a given interval. Every row reads one
array and writes another, donated one, as the copy does, which is the least that anything costs; all
take turns within one process, so that the ratios of the medians hold on a noisy machine. ``limit``
is what a ratio should stay under. ``passes`` is how often the memory of the array is read or
written, by XLA's own cost analysis of the compiled program: 2 for the copy; the body of a loop
counts once.

Other libraries run beside them, each as it is meant to be used, if they can be imported. They want
an environment of their own, with Python 3.12 or newer, and scico one look away from its pins:

    pip install . jaxopt pyproximal skglm fastprox && pip install --no-deps scico==0.0.7

``error`` is the largest difference of a peer's result from ours, whose minimisers are tested; where
it is not small they compute something else, most often a local minimum.

    python benchmarks/bench_prox.py [--rounds N] [--only NAME]
"""

import argparse
import functools
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from _peers import list_peers
from _record import save

import sgl_jax as sgl


SHAPE = (3, 3, 512, 2170)
FILTER = (0, 1, 2)
STEP = 0.5
LAM = 0.5
"""Strength on entries of size one: a fifth of them or more become zero, beside groups not all."""
GROUP_LAM = 64.0
"""Strength on filters, whose norm is 68: they shrink by half, or stay."""

ROOTS = ("etp", "geman", "log_sum", "lq", "transformed_l1")
"""Penalties whose prox is the root of an equation."""


class Row(NamedTuple):
    """An operator, the form of its groups, its library, and its limit in copies."""

    operator: str
    form: str
    library: str = "sgl_jax"
    limit: float | None = None


class Candidate:
    """A compiled function from one array to another, which is donated."""

    def __init__(self, function: Callable[[jax.Array], jax.Array], w: jax.Array):
        jitted = jax.jit(lambda w, out: function(w), donate_argnums=1, keep_unused=True)
        self.compiled = jitted.lower(w, w).compile()
        self.w, self.out = w, jnp.zeros_like(w)
        self.passes = round(self.compiled.cost_analysis().get("bytes accessed", 0) / w.nbytes, 1)
        self.seconds: list[float] = []

    def run(self) -> jax.Array:
        began = time.perf_counter()
        self.out = self.compiled(self.w, self.out)
        self.out.block_until_ready()
        self.seconds.append(time.perf_counter() - began)
        return self.out


class Peer:
    """A function of another library, which allocates its result."""

    passes = None

    def __init__(self, function: Callable[[], Any]):
        self.function = function
        self.seconds: list[float] = []

    def run(self) -> Any:
        began = time.perf_counter()
        found = jax.block_until_ready(self.function())
        self.seconds.append(time.perf_counter() - began)
        return found


def list_operators() -> Iterator[tuple[Row, Callable[[jax.Array], jax.Array]]]:
    """Lists every operator of the catalogue on entries and on filters, and the copy."""
    yield Row("copy", "entry", limit=1), lambda w: w
    for name, make in sgl.PENALTIES.items():
        if name == "nuclear":  # a singular value decomposition: no pass to compare with
            continue
        if issubclass(make, sgl.NormPenalty):
            row = Row(name, "entry", limit=6 if name in ROOTS else 2)
            yield row, functools.partial(_prox, make(LAM), ())
        lam = LAM if make.default_weight is None else GROUP_LAM
        yield Row(name, "group", limit=3), functools.partial(_prox, make(lam), FILTER)
    yield Row("lq, q = 2/3", "entry", limit=6), functools.partial(_prox, sgl.Lq(LAM, 2 / 3), ())
    # A step of the copy in ADMM between two fits of the interval, whose sort is for survivors.
    yield Row("levels", "entry", limit=2), lambda w: sgl.prox.project_levels(w, 4, interval=STEP)[0]
    for name, make in sgl.PENALTIES.items():
        row = Row(name, "sparse group", limit=150 if name in ROOTS else 60)
        both = sgl.SparseGroup(make(LAM), sgl.L1(GROUP_LAM), sgl.by_filter(), weight=None)
        yield row, lambda w, both=both: both.prox({"kernel": w}, STEP)["kernel"]


def _prox(penalty: sgl.Penalty, axes: tuple[int, ...], w: jax.Array) -> jax.Array:
    return penalty.prox(w, STEP, axes)


def is_accepted(operator: Callable[[jax.Array], jax.Array]) -> bool:
    """True if this package has the operator; it refuses those that it cannot compute exactly."""
    try:
        jax.eval_shape(operator, jax.ShapeDtypeStruct((1, 1, 2, 2), jnp.float32))
    except ValueError:
        return False
    return True


def list_candidates(w: jax.Array, only: str) -> dict[Row, Candidate | Peer]:
    """Lists the function of every row; those of peers only if their operator is among ours."""
    chosen = {
        row: operator
        for row, operator in list_operators()
        if row.operator == "copy" or (only in row.operator and is_accepted(operator))
    }
    found: dict[Row, Candidate | Peer] = {}
    for row, operator in chosen.items():
        print(f"compiling {row.operator}, {row.form}", flush=True)
        found[row] = Candidate(operator, w)
    of_peers = list_peers(np.asarray(w), STEP, LAM, GROUP_LAM)
    for (operator, form, library), function in of_peers.items():
        if any(row[:2] == (operator, form) for row in chosen):
            found[Row(operator, form, library)] = Peer(function)
    return found


def measure_errors(runs: dict[Row, Candidate | Peer]) -> dict[Row, float]:
    """Runs each once, to warm up; measures the largest difference of every peer from ours."""
    found = {}
    for row, run in runs.items():
        result = run.run()
        if isinstance(run, Peer):
            ours = next(runs[other].out for other in runs if other[:2] == row[:2])
            difference = np.abs(np.asarray(result).reshape(SHAPE) - np.asarray(ours))
            found[row] = float(f"{np.max(difference):.2g}")
    return found


def measure(rounds: int, only: str) -> list[dict[str, Any]]:
    """Times all rows in turn; one round warms up."""
    runs = list_candidates(jax.random.normal(jax.random.key(0), SHAPE), only)
    error = measure_errors(runs)
    for _ in range(rounds):
        for run in runs.values():
            run.run()
    medians = {row: statistics.median(run.seconds[1:]) for row, run in runs.items()}
    copy = next(median for row, median in medians.items() if row.operator == "copy")
    return [
        {
            **row._asdict(),
            "median_ms": round(1e3 * medians[row], 3),
            "to_copy": round(medians[row] / copy, 3),
            "passes": run.passes,
            "error": error.get(row),
        }
        for row, run in runs.items()
    ]


def find_versions(libraries: Iterable[str]) -> dict[str, str]:
    """Finds the versions of the other libraries."""
    return {name: version(name) for name in sorted({*libraries} - {"sgl_jax"})}


def format_row(row: dict[str, Any]) -> str:
    """Formats a row of figures for printing."""
    text = "{operator:16} {form:13} {library:11} {median_ms:10.2f} ms  x{to_copy:.2f}".format(**row)
    for key in ("limit", "passes", "error"):
        text += "" if row[key] is None else f"  {key} {row[key]:g}"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30, help="timed rounds (30)")
    parser.add_argument("--only", default="", help="operators whose name contains this")
    options = parser.parse_args()
    figures = measure(options.rounds, options.only)
    for row in figures:
        print(format_row(row))
    if not options.only:
        config = {"rounds": options.rounds, "shape": SHAPE, "step": STEP, "lam": LAM}
        config |= {
            "group_lam": GROUP_LAM,
            "peers": find_versions(row["library"] for row in figures),
        }
        print(save("prox", config, figures))


if __name__ == "__main__":
    main()
