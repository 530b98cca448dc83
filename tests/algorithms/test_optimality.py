"""What the proximal optimizers converge to: duality gaps, other solvers, fixed points.

Least squares with 200 examples and 1,000 weights in 100 groups of 10, double precision, full batch.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.problems import descend

import sgl_jax as sgl


EXAMPLES, GROUPS, SIZE = 200, 100, 10
STRENGTHS = {"lasso": (0.1, 0.0), "group_lasso": (0.0, 0.3), "sparse_group_lasso": (0.05, 0.15)}
"""Of the entries and of the groups."""


@functools.cache
def problem():
    """Inputs and an output that depends on half the entries of five groups."""
    generator = np.random.default_rng(0)
    a = generator.standard_normal((EXAMPLES, GROUPS * SIZE))
    w = np.zeros((GROUPS, SIZE))
    w[:5, : SIZE // 2] = generator.choice([-1.0, 1.0], (5, SIZE // 2))
    return a, a @ w.ravel() + 0.1 * generator.standard_normal(EXAMPLES)


def loss(params):
    a, b = problem()
    return jnp.sum((a @ params["kernel"].ravel() - b) ** 2) / (2 * EXAMPLES)


@functools.cache
def lipschitz():
    return np.linalg.norm(problem()[0], 2) ** 2 / EXAMPLES


def regularizer(entry, group):
    """One group is what reads an input; groups count the same, whatever their size."""
    return sgl.SparseGroup(entry, group, sgl.by_neuron(), weight=None)


SOLVERS = {
    "fista": (lambda r: sgl.fista(1 / lipschitz(), r), 400),
    "prox_sgd": (lambda r: sgl.prox_sgd(1 / lipschitz(), r), 3000),
    "prox_adam": (lambda r: sgl.prox_adam(0.01, r), 2000),
}
"""How to build, and how many steps it takes."""


@functools.cache
def solved(solver, name):
    """The minimiser that a solver finds, in NumPy."""
    build, steps = SOLVERS[solver]
    entry_lam, group_lam = STRENGTHS[name]
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        both = regularizer(sgl.L1(entry_lam), sgl.L1(group_lam))
        start = {"kernel": jnp.zeros((GROUPS, SIZE))}
        params, state = descend(build(both), loss, start, steps)
        return np.asarray(sgl.sparse_params(state, params)["kernel"])


def objective(w, entry_lam, group_lam):
    a, b = problem()
    penalty = entry_lam * np.abs(w).sum() + group_lam * np.linalg.norm(w, axis=1).sum()
    return np.sum((a @ w.ravel() - b) ** 2) / (2 * EXAMPLES) + penalty


def feasible(slopes, entry_lam, group_lam):
    """Whether a dual point satisfies its constraints: each group's slopes are the penalty's."""
    excess = np.maximum(np.abs(slopes.reshape(GROUPS, SIZE)) - entry_lam, 0)
    return np.linalg.norm(excess, axis=1).max() <= group_lam


def duality_gap(w, entry_lam, group_lam):
    """How far the objective can at most be above its minimum."""
    a, b = problem()
    residual = (b - a @ w.ravel()) / EXAMPLES
    slopes = a.T @ residual
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        inside = feasible(middle * slopes, entry_lam, group_lam)
        low, high = (middle, high) if inside else (low, middle)
    dual = low * residual
    return objective(w, entry_lam, group_lam) - (dual @ b - EXAMPLES / 2 * dual @ dual)


@pytest.mark.parametrize("name", STRENGTHS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_solver_closes_the_duality_gap(solver, name):
    w = solved(solver, name)
    at_zero = objective(np.zeros_like(w), *STRENGTHS[name])
    assert duality_gap(w, *STRENGTHS[name]) < 1e-6 * at_zero
    dead = np.all(w == 0, axis=1)
    assert 0 < np.sum(dead) < GROUPS
    assert (np.sum(w[~dead] == 0) > 0) == (name != "group_lasso")


def by_celer(name, a, b):
    celer = pytest.importorskip("celer")
    entry_lam, group_lam = STRENGTHS[name]
    if name == "lasso":
        return celer.Lasso(alpha=entry_lam, fit_intercept=False, tol=1e-12).fit(a, b).coef_
    return (
        celer.GroupLasso(groups=SIZE, alpha=group_lam, fit_intercept=False, tol=1e-12)
        .fit(a, b)
        .coef_
    )


def by_skglm(name, a, b):
    pytest.importorskip("skglm")
    from skglm.datafits import QuadraticGroup
    from skglm.penalties import WeightedL1GroupL2
    from skglm.solvers import GroupBCD
    from skglm.utils.jit_compilation import compiled_clone

    entry_lam, group_lam = STRENGTHS[name]
    indices = np.arange(GROUPS * SIZE, dtype=np.int32)
    pointers = np.arange(0, GROUPS * SIZE + 1, SIZE, dtype=np.int32)
    of_groups, of_entries = np.full(GROUPS, group_lam), np.full(GROUPS * SIZE, entry_lam)
    penalty = WeightedL1GroupL2(1.0, of_groups, of_entries, pointers, indices)
    datafit = QuadraticGroup(pointers, indices)
    solver = GroupBCD(fit_intercept=False, tol=1e-10, ws_strategy="fixpoint")
    return solver.solve(a, b, compiled_clone(datafit), compiled_clone(penalty))[0]


OTHERS = {"lasso": by_celer, "group_lasso": by_celer, "sparse_group_lasso": by_skglm}


@functools.cache
def elsewhere(name):
    """The minimiser that another library finds."""
    return OTHERS[name](name, *problem()).reshape(GROUPS, SIZE)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_another_library_finds_the_same_minimiser(solver, name):
    w, expected = solved(solver, name), elsewhere(name)
    np.testing.assert_allclose(w, expected, atol=1e-5)
    np.testing.assert_array_equal(np.abs(w) > 1e-6, np.abs(expected) > 1e-6)


NONCONVEX = {
    "transformed_l1": regularizer(sgl.TransformedL1(0.02), sgl.L1(0.05)),
    "mcp": regularizer(sgl.MCP(0.1), sgl.MCP(0.2)),
    "scad": regularizer(sgl.SCAD(0.1), sgl.L1(0.1)),
    "l0": regularizer(sgl.L0(0.005), sgl.L1(0.1)),
}


STEPS = {
    "fista": lambda state: (1 / lipschitz(), None),
    "prox_sgd": lambda state: (1 / lipschitz(), None),
    "prox_adam": lambda state: (0.01, sgl.directions.adam().metric(state.direction)),
}
"""Step size and metric of a solver's own prox."""


@pytest.mark.slow
@pytest.mark.parametrize("name", NONCONVEX)
@pytest.mark.parametrize("solver", SOLVERS)
def test_solver_stops_at_a_fixed_point_of_the_nonconvex_prox(solver, name):
    both, (build, steps) = NONCONVEX[name], SOLVERS[solver]
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        start = {"kernel": jnp.zeros((GROUPS, SIZE))}
        params, state = descend(build(both), loss, start, steps)
        w = sgl.sparse_params(state, params)
        step, metric = STEPS[solver](state)
        scale = 1.0 if metric is None else metric["kernel"]
        moved = {"kernel": w["kernel"] - step * jax.grad(loss)(w)["kernel"] / scale}
        residual = np.abs(both.prox(moved, step, metric)["kernel"] - w["kernel"])
    assert np.max(residual) < 1e-6
    assert 0 < np.sum(np.all(np.asarray(w["kernel"]) == 0, axis=1)) < GROUPS
