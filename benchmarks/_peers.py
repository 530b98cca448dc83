"""The same proximal operators in other libraries, as each offers them.

Arrays of JAX go to functions of JAX, compiled; NumPy arrays to those of NumPy, numba and fastprox.
Libraries that want the entries of a group next to each other, or along the first axis, get a copy
of the array laid out so beforehand, and are given as much time as the others for the rest.
"""

import functools
import importlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


__all__ = ["list_peers"]

Named = Iterator[tuple[str, str, Callable[[], Any]]]


def _jaxopt(w: np.ndarray, step: float, lam: float, group_lam: float) -> Named:
    from jaxopt import prox

    x = jnp.asarray(w)
    soft = jax.jit(lambda x: prox.prox_lasso(x, lam, step))
    elastic = jax.jit(lambda x: prox.prox_elastic_net(x, (lam, 1.0), step))
    one = functools.partial(prox.prox_group_lasso, l2reg=group_lam, scaling=step)
    group = jax.jit(jax.vmap(one, in_axes=-1, out_axes=-1))
    yield "l1", "entry", lambda: soft(x)
    yield "elastic_net", "entry", lambda: elastic(x)
    yield "l1", "group", lambda: group(x)
    both = jax.jit(lambda x: jax.vmap(one, -1, -1)(prox.prox_lasso(x, lam, step)))
    yield "l1", "sparse group", lambda: both(x)


def _scico(w: np.ndarray, step: float, lam: float, group_lam: float) -> Named:
    from scico import functional

    x = jnp.asarray(w)
    soft = jax.jit(lambda x: functional.L1Norm().prox(x, step * lam))
    hard = jax.jit(lambda x: functional.L0Norm().prox(x, step * lam))
    group = jax.jit(lambda x: functional.L21Norm(l2_axis=(0, 1, 2)).prox(x, step * group_lam))
    yield "l1", "entry", lambda: soft(x)
    yield "l0", "entry", lambda: hard(x)
    yield "l1", "group", lambda: group(x)


def _pyproximal(w: np.ndarray, step: float, lam: float, group_lam: float) -> Named:
    import pyproximal

    x = w.ravel()
    size = w.size // w.shape[-1]
    # Its log(gamma t + 1) is divided by log(gamma + 1).
    entries = {
        "l1": pyproximal.L1(lam),
        "l0": pyproximal.L0(lam),
        "scad": pyproximal.SCAD(lam),
        "log_sum": pyproximal.Log(lam * np.log(2.0), 1.0),
        "geman": pyproximal.Geman(lam, 1.0),
    }
    for name, operator in entries.items():
        yield name, "entry", functools.partial(operator.prox, x, step)
    yield "l1", "group", functools.partial(pyproximal.L21(size, group_lam).prox, x, step)


def _skglm(w: np.ndarray, step: float, lam: float, group_lam: float) -> Named:
    yield from _skglm_entries(w, step, lam)
    yield from _skglm_groups(w, step, lam, group_lam)


def _skglm_entries(w: np.ndarray, step: float, lam: float) -> Named:
    from numba import njit
    from skglm.utils import prox_funcs

    def over_entries(prox, *args):
        @njit
        def run(x):
            out = np.empty_like(x)
            for k in range(x.size):
                out[k] = prox(x[k], *args)
            return out

        return functools.partial(run, w.ravel())

    c = step * lam
    entries = {
        "l1": (prox_funcs.ST, c),
        "mcp": (prox_funcs.prox_MCP, step, lam, 3.0),
        "scad": (prox_funcs.prox_SCAD, step, lam, 3.7),
        "log_sum": (prox_funcs.prox_log_sum, c, 1.0),
        "lq": (prox_funcs.prox_05, c),
        "lq, q = 2/3": (prox_funcs.prox_2_3, c),
    }
    for name, (prox, *args) in entries.items():
        yield name, "entry", over_entries(prox, *args)


def _skglm_groups(w: np.ndarray, step: float, lam: float, group_lam: float) -> Named:
    from numba import njit
    from skglm.utils import prox_funcs

    # Its block operator compiles for float64 only.
    rows = np.ascontiguousarray(w.reshape(-1, w.shape[-1]).T, float)

    @njit
    def groups(rows, level):
        out = np.empty_like(rows)
        for k in range(len(rows)):
            out[k] = prox_funcs.BST(rows[k], level)
        return out

    @njit
    def sparse_groups(rows, entry, level):
        out = np.empty_like(rows)
        for k in range(len(rows)):
            out[k] = prox_funcs.BST(prox_funcs.ST_vec(rows[k], entry), level)
        return out

    yield "l1", "group", lambda: groups(rows, step * group_lam).T
    yield "l1", "sparse group", lambda: sparse_groups(rows, step * lam, step * group_lam).T


def _fastprox(w: np.ndarray, step: float, lam: float, group_lam: float) -> Named:
    import fastprox

    out = np.empty_like(w)
    entries = {
        "l1": (fastprox.soft_threshold, {"lam": lam}),
        "l0": (fastprox.hard_threshold, {"lam": lam, "tie": "zero"}),
        "mcp": (fastprox.mcp, {"lam": lam, "b": 3.0}),
        "scad": (fastprox.scad, {"lam": lam, "a": 3.7}),
        "log_sum": (fastprox.prox_log, {"lam": lam, "eps": 1.0, "tie": "zero"}),
        "lq": (fastprox.lq, {"lam": lam, "q": 0.5, "tie": "zero"}),
        "lq, q = 2/3": (fastprox.lq, {"lam": lam, "q": 2 / 3, "tie": "zero"}),
        "elastic_net": (fastprox.elastic_net, {"l1": lam, "l2": lam}),
    }
    for name, (prox, options) in entries.items():
        yield name, "entry", functools.partial(prox, w, gamma=step, out=out, **options)
    matrix = w.reshape(-1, w.shape[-1])
    options = {"lam": group_lam, "gamma": step, "axis": 0, "out": out.reshape(matrix.shape)}
    for name in ("soft_threshold", "mcp", "scad"):
        prox = getattr(fastprox, f"group_{name}")
        operator = "l1" if name == "soft_threshold" else name
        yield operator, "group", functools.partial(prox, matrix, **options)
    one_group = np.zeros(len(matrix), int)
    both = functools.partial(fastprox.sparse_group_soft_threshold, groups=one_group)
    yield "l1", "sparse group", functools.partial(both, matrix, lam, **options)


LIBRARIES = {
    "jaxopt": _jaxopt,
    "scico": _scico,
    "pyproximal": _pyproximal,
    "skglm": _skglm,
    "fastprox": _fastprox,
}


def list_peers(
    w: np.ndarray, step: float, lam: float, group_lam: float
) -> dict[tuple[str, str, str], Callable[[], Any]]:
    """Lists every operator that an installed library offers, by (operator, form, library)."""
    found = {}
    for library, offers in LIBRARIES.items():
        try:
            with warnings.catch_warnings(action="ignore"):
                importlib.import_module(library)
                for operator, form, function in offers(w, step, lam, group_lam):
                    found[operator, form, library] = function
        except ImportError:
            print(f"{library} is not installed: left out.")
    return found
