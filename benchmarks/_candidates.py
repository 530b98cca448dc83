"""The optimizers whose steps are timed, and the limits of their costs."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import optax
from _steps import on_cpu

import sgl_jax as sgl


__all__ = ["LAM", "RATE", "Row", "list_candidates"]

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


def choose_entry_limit(name: str) -> float | None:
    if not on_cpu():
        return 1.2
    return 1.5 if name in CLOSED else ENTRIES.get(name)


def choose_joint_limit(name: str) -> float | None:
    if name == "l1":
        return 4
    return (15 if name in CLOSED else 35) if on_cpu() else None


def list_penalty_rows() -> dict[str, Row]:
    """Lists the paper's splitting and proximal Adam with every penalty they take."""
    entries, found = sgl.by_entry(only="kernel"), {}
    for name, penalty in sgl.PENALTIES.items():
        if name == "nuclear":  # a singular value decomposition a step
            continue
        both = sgl.SparseGroup(penalty(LAM), sgl.L1(LAM))
        split = functools.partial(sgl.splitting, RATE, both, beta=3e-2)
        found[f"splitting {name}"] = Row(split, choose_entry_limit(name), LEAN)
        if issubclass(penalty, sgl.NormPenalty):
            single = sgl.Regularizer(penalty(LAM), entries)
            alone = functools.partial(sgl.prox_adam, RATE, single)
            found[f"prox_adam {name}"] = Row(alone, choose_entry_limit(name), LEAN)
            joint = functools.partial(sgl.prox_adam, RATE, both)
            found[f"prox_adam {name} sparse groups"] = Row(joint, choose_joint_limit(name), LEAN)
    return found


def list_algorithm_rows() -> dict[str, Row]:
    """Lists the other algorithms, most of them with the sparse group lasso."""
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


def list_candidates() -> dict[str, Row]:
    """Lists all rows by name, plain Adam first and those that take longest to compile last."""
    found = {"adam": Row(lambda: optax.adam(RATE)), **list_algorithm_rows(), **list_penalty_rows()}
    return dict(sorted(found.items(), key=lambda item: item[0].endswith(" sparse groups")))
