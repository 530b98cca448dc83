"""Every penalty on entries and groups: value, group and metric prox, the edges of the contract."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from support import oracles
from support.tiers import paired, usual

import sgl_jax as sgl


DTYPES = ("float16", "bfloat16", "float32", "float64")

names = pytest.mark.parametrize("name", oracles.SHAPES)
PAIRS = paired(oracles.SHAPES, [(), (1,)])
in_turn = pytest.mark.parametrize(("name", "axes"), PAIRS)


@functools.partial(jax.jit, static_argnames="axes")
def prox(penalty, w, step_size, axes=(), metric=None):
    return penalty.prox(w, step_size, axes, metric)


@functools.partial(jax.jit, static_argnames="axes")
def value(penalty, w, axes=(), weight=1.0):
    return penalty.value(w, axes, weight)


@functools.partial(jax.jit, static_argnames="axes")
def jacobians(penalty, w, step, axes):
    """Of the prox by its input, step and strength: forward, then reverse."""
    at = lambda w, step, lam: dataclasses.replace(penalty, lam=lam).prox(w, step, axes)  # noqa: E731
    return [mode(at, (0, 1, 2))(w, step, penalty.lam) for mode in (jax.jacfwd, jax.jacrev)]


def every(name, lam):
    """The penalty with each of its shape parameters, and those."""
    return [(sgl.PENALTIES[name](lam, **shape), shape) for shape in oracles.SHAPES[name]]


def first(name, lam):
    return every(name, lam)[0][0]


def forms_of(name, metric):
    """The axes and metrics that a penalty has a prox for."""
    entries = [((), metric)] if name in oracles.SCALARS else []
    return [((), None), ((1,), None), *entries, *([((1,), metric)] if name == "l1" else [])]


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


@names
def test_value_is_the_equation(name, x64):
    rows = np.random.default_rng(0).normal(size=(9, 5)) * np.logspace(-6, 1, 9)[:, None]
    weights = np.arange(9.0)
    for penalty, shape in every(name, 0.5):
        kinks = oracles.SCALARS[name].kinks(0.5, **shape) if name in oracles.SCALARS else ()
        for position, number in enumerate((0.0, *kinks)):
            rows[position] = [number, 0, 0, 0, 0]
        expected = [oracles.value(name, row, 0.5, **shape) for row in rows]
        for w, axes, weight in (
            (rows, (1,), weights[:, None]),
            (rows.T.reshape(1, 5, 9), (0, 1), weights[None, None]),
            (rows.reshape(9, 1, 5), (-1, -2), weights[:, None, None]),
        ):
            found = value(penalty, w, axes, weight)
            np.testing.assert_allclose(found, weights @ expected, rtol=1e-12, err_msg=f"{shape}")
        entries = [oracles.value(name, entry, 0.5, **shape) for entry in rows.ravel()]
        np.testing.assert_allclose(value(penalty, rows), np.sum(entries), rtol=1e-12)


@names
def test_group_prox_maps_over_strengths(name):
    w = jnp.array([[3.0, -4.0], [0.1, 0.2], [0.0, 0.0]])
    strengths = jnp.array([0.0, 0.2, 2.0])
    mapped = jax.jit(jax.vmap(lambda lam: first(name, lam).prox(w, 0.6, (1,))))(strengths)
    single = [prox(first(name, lam), w, 0.6, (1,)) for lam in strengths]
    np.testing.assert_allclose(mapped, single, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("name", "dtype"), paired(oracles.SHAPES, DTYPES))
def test_prox_keeps_the_dtype(name, dtype, x64):
    w = jnp.array([[3.0, 0.125]], dtype)
    wide = "float64" if dtype == "float64" else "float32"
    for number in (float, jnp.float32, jnp.float64):
        for axes, metric in forms_of(name, w):
            args = first(name, number(0.25)), w, number(0.5), axes, metric
            assert prox.eval_shape(*args).dtype == dtype
            assert value.eval_shape(*args[:2], axes).dtype == wide
    exact = prox(first(name, 0.25), w.astype(wide), 0.5, (1,)).astype(dtype)
    np.testing.assert_array_equal(prox(first(name, 0.25), w, 0.5, (1,)), exact)


@pytest.mark.parametrize("name", usual(oracles.SHAPES, ["l1", "exclusive"]))
def test_numbers_of_any_type_mean_the_same(name, x64):
    w = jnp.array([[3.0, 1.0], [-0.125, 0.25]])
    for axes, metric in forms_of(name, jnp.array([[2.0, 1.0], [0.5, 0.3]])):
        for number in (int, jnp.int32):
            found = prox(first(name, 0.3), w, number(1), axes, metric)
            np.testing.assert_array_equal(found, prox(first(name, 0.3), w, 1.0, axes, metric))
        step, lam = float(np.float32(0.3)), float(np.float32(0.7))
        found = prox(first(name, jnp.float32(0.7)), w, jnp.float32(0.3), axes, metric)
        np.testing.assert_array_equal(found, prox(first(name, lam), w, step, axes, metric))


@in_turn
def test_prox_neither_overflows_nor_vanishes(name, axes):
    every_way = lambda penalty, w: (  # noqa: E731
        prox(penalty, w, 0.5, axes) / scale,
        value(penalty, w, axes) / np.maximum(lam * scale, lam),
        *[slopes[0] for slopes in jacobians(penalty, w, 0.5, axes)],
    )
    for scale, lam in ((1e30, 0.5), (1e18, 1e17), (1e-30, 1e-32), (1e-30, 0.5)):
        if scale > 1 and name in oracles.SUPERLINEAR:
            continue
        w = np.float32([[3.0, -4.0], [0.0, 0.0], [1.0, 1.0], [0.0, 2.0]]) * np.float32(scale)
        found = every_way(first(name, lam), w)
        with jax.enable_x64(True):
            exact = every_way(first(name, lam), w.astype(float))
        for number, expected in zip(found, exact, strict=True):
            np.testing.assert_allclose(number, expected, rtol=1e-5, atol=1e-6, err_msg=f"{scale}")


@names
def test_not_finite_entries_stay_and_do_not_spread(name):
    w = np.float32([[np.nan, 1.0], [np.inf, 2.0], [-np.inf, 0.0], [3.0, 40.0]])
    calm, bad = np.nan_to_num(w, posinf=1.0, neginf=1.0), ~np.isfinite(w)
    for axes, metric in forms_of(name, np.ones_like(w)):
        for lam, step in ((0.1, 0.01), (0.0, 0.01), (0.1, 0.0)):
            found = prox(first(name, lam), w, step, axes, metric)
            np.testing.assert_array_equal(found[bad], w[bad])
            np.testing.assert_array_equal(np.isfinite(found), ~bad)
            alone = prox(first(name, lam), calm, step, axes, metric)
            np.testing.assert_allclose(found[3], alone[3], rtol=1e-6)


@pytest.mark.parametrize(("name", "shrinkage"), [("l1", 0.5), ("l1_minus_l2", 0.0)])
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (), (1, 1)])
def test_empty_and_single_leaves_work(name, shrinkage, shape):
    w, penalty = jnp.full(shape, 2.0), first(name, 0.5)
    for axes in {(), tuple(range(len(shape))), tuple(range(1, len(shape)))}:
        for metric in (None, 2 * w) if name == "l1" else (None,):
            found = prox(penalty, w, 1.0, axes, metric)
            left = 2.0 - shrinkage / (1.0 if metric is None else 4.0)
            np.testing.assert_allclose(found, np.full(shape, left), rtol=1e-6)
        expected = w.size * oracles.value(name, 2.0, **vars(penalty))
        np.testing.assert_allclose(value(penalty, w, axes), expected, rtol=1e-6)


@in_turn
def test_subnormal_entries_make_no_nan(name, axes):
    w = np.float32([[1e-40, -3e-42], [1e-45, 0.0], [1e-40, 1.0], [0.0, 0.0]])
    penalty = first(name, 0.5)
    for step in (0.0, 1e-40, 1e-3):
        found = prox(penalty, w, step, axes)
        assert np.all(np.abs(found) <= np.abs(w))
        for slopes in jacobians(penalty, w, step, axes):
            assert all(np.isfinite(slope).all() for slope in slopes)


# No round numbers, at which the formula of some penalty may change.
W = np.array([[1.317, -0.713], [0.0, 0.0], [0.053, -0.021], [-3.013, 5.017]])
METRIC = np.array([[1.1, 2.3], [1.0, 0.2], [0.4, 0.7], [0.9, 1.7]])


@names
def test_derivatives_equal_finite_differences(name, x64):
    # A zero group is a kink of exclusive sparsity, and of l1 - l2 in alpha, at its end.
    kinked = name in ("exclusive", "l1_minus_l2")
    w = np.where(W == 0, [1e-3, -2e-3], W) if kinked else W
    for penalty, _ in every(name, 0.5):
        for axes, metric in forms_of(name, METRIC):
            at = lambda penalty, w, step, *d: prox(penalty, w, step, axes, *d)  # noqa: B023, E731
            args = (penalty, w, 0.6) if metric is None else (penalty, w, 0.6, metric)
            check_grads(at, args, order=1, atol=1e-7, rtol=1e-7, eps=1e-5)


@in_turn
def test_prox_without_strength_is_the_identity_with_derivative_one(name, axes, x64):
    for lam, step in ((0.0, 0.6), (0.5, 0.0), (0.0, 0.0), (1e3, 0.0)):
        for w in (W, np.zeros_like(W)):
            for penalty, shape in every(name, lam):
                np.testing.assert_array_equal(prox(penalty, w, step, axes), w, f"{shape}")
                for by_w, by_step, by_lam in jacobians(penalty, w, step, axes):
                    np.testing.assert_allclose(by_w.reshape(8, 8), np.eye(8), atol=1e-12)
                    assert np.isfinite([by_step, by_lam]).all(), shape


@pytest.mark.parametrize(
    ("tie", "axes"),
    [
        pytest.param(tie, axes, marks=marks)
        for (name, axes), marks, _ in PAIRS
        for tie in oracles.TIES
        if (tie[0], tie[-1]) == (name, 0)
    ],
)
def test_derivative_at_the_threshold_is_that_of_the_zero_side(tie, axes, x64):
    name, shape, lam, step, t, _ = tie
    w = np.array([[t, 0.0], [0.0, -t], [0.0, 0.0], [-t, 0.0]])
    for found in jacobians(sgl.PENALTIES[name](lam, **shape), w, step, axes):
        for slope in found:
            np.testing.assert_array_equal(slope, 0)


@in_turn
def test_value_has_derivative_zero_at_a_zero_group(name, axes, x64):
    slopes = jax.jit(jax.grad(lambda w, penalty: penalty.value(w, axes)))
    for penalty, shape in every(name, 0.5):
        np.testing.assert_array_equal(slopes(W, penalty)[1], 0, f"{shape}")
        assert np.isfinite(slopes(W, penalty)).all(), shape
