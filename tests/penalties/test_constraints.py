"""Constraints: projections against a search over all supports; ties, metrics, edges."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.constraints import EXAMPLES, draw, nearest
from support.tiers import paired

import sgl_jax as sgl


ROUNDED = ("box", "levels")
"""Constraints that change the entries that they keep."""

names = pytest.mark.parametrize("name", sgl.CONSTRAINTS)

prox = jax.jit(
    lambda penalty, w, axes, metric=None: penalty.prox(w, 1.0, axes, metric), static_argnums=2
)


def test_every_constraint_has_an_example():
    assert list(EXAMPLES) == list(sgl.CONSTRAINTS)


@pytest.mark.parametrize(
    ("axes", "in_metric"), paired([(0,), (1,), (0, 2), (0, 1, 2)], [False, True])
)
def test_top_k_is_the_best_of_all_supports(axes, in_metric):
    # Small integers, so that many magnitudes are equal.
    w = np.random.default_rng(0).integers(-3, 4, size=(2, 3, 2)).astype(np.float32)
    d = np.random.default_rng(1).choice([1.0, 4.0], w.shape) if in_metric else np.ones(w.shape)
    rest = tuple(axis for axis in range(3) if axis not in axes)
    rows, metrics = (np.transpose(x, (*rest, *axes)).reshape(-1, 12) for x in (w, d))
    size = int(np.prod([w.shape[axis] for axis in axes]))
    rows, metrics = rows.reshape(-1, size), metrics.reshape(-1, size)
    for k in (0, 1, 2, 5, size, 100):
        found = prox(sgl.TopK(k), w, axes, np.float32(d) if in_metric else None)
        found = np.transpose(found, (*rest, *axes)).reshape(-1, size)
        expected = [nearest(*row[:1], k, row[1]) for row in zip(rows, metrics, strict=True)]
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("axis", "in_metric"), paired([0, 1], [False, True]))
@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 2), (0, 3), (3, 3), (1, 1)])
def test_n_of_m_is_the_best_of_all_supports(n, m, axis, in_metric):
    w = np.random.default_rng(0).integers(-3, 4, size=(12, 12)).astype(np.float32)
    d = np.random.default_rng(1).choice([1.0, 4.0], w.shape) if in_metric else np.ones(w.shape)
    found = prox(sgl.NofM(n, m), w, (axis,), np.float32(d) if in_metric else None)
    blocks, metrics, found = (np.moveaxis(x, axis, 1).reshape(-1, m) for x in (w, d, found))
    expected = [nearest(*row[:1], n, row[1]) for row in zip(blocks, metrics, strict=True)]
    np.testing.assert_array_equal(found, expected)


def test_bounds_clip_every_entry_in_every_metric():
    w = np.float32([-2.0, -0.5, 0.0, 0.25, 3.0])
    for metric in (None, np.float32([1, 2, 3, 4, 5])):
        np.testing.assert_array_equal(prox(EXAMPLES["box"], w, (), metric), np.clip(w, -0.5, 1))
        np.testing.assert_array_equal(prox(sgl.NonNegative(), w, (0,), metric), np.maximum(w, 0))
    np.testing.assert_array_equal(sgl.prox.project_box(w, 1.0, 2.0), np.clip(w, 1, 2))
    np.testing.assert_array_equal(sgl.prox.project_box(w, -jnp.inf, 2.0), np.clip(w, None, 2))


def test_functions_are_those_of_the_classes():
    w = jnp.asarray(draw(8, 3))
    np.testing.assert_array_equal(sgl.prox.project_top_k(w, 7), prox(sgl.TopK(7), w, (0, 1)))
    for axis in (0, -2):
        found = sgl.prox.project_n_of_m(w, 1, 2, axis)
        np.testing.assert_array_equal(found, prox(sgl.NofM(1, 2), w, (0,)))


@pytest.mark.parametrize(("share", "size", "kept"), [(0.29, 100, 29), (0.5, 5, 2), (0.0, 4, 0)])
def test_share_of_the_entries_is_rounded_down(share, size, kept):
    assert (
        np.count_nonzero(sgl.prox.project_top_k(jnp.asarray(1 + np.abs(draw(size))), share)) == kept
    )


@pytest.mark.parametrize(
    ("name", "dtype"),
    paired(sgl.CONSTRAINTS, ["float16", "bfloat16", "float32", "float64"]),
)
def test_projection_keeps_dtype_and_digits(name, dtype):
    with jax.enable_x64(dtype == "float64"):
        w = jnp.asarray(draw(8, 6), dtype)
        for metric in (None, jnp.ones_like(w)):
            found = prox(EXAMPLES[name], w, (0,), metric)
            assert found.dtype == dtype
            same = np.asarray(found == w)
            assert np.all(same | (np.asarray(found, float) == 0) | (name in ROUNDED))
            assert (0 < same.sum() < w.size) or name == "levels"
        assert EXAMPLES[name].value(w, (0,)) == np.inf
        assert EXAMPLES[name].value(found, (0,)) == 0


@pytest.mark.parametrize(
    ("scale", "in_metric"),
    [(1e-42, False), (1e-30, False), (1e30, False), (1e-30, True), (1e30, True)],
)
def test_order_is_right_at_every_scale(scale, in_metric):
    w = np.float32([1.0, -4.0, 3.0, 2.0]) * np.float32(scale)
    metric = np.full(4, 1e-8, np.float32) if in_metric else None
    for penalty in (sgl.TopK(2), sgl.NofM(2, 4)):
        found = np.asarray(prox(penalty, w, (0,), metric))
        np.testing.assert_array_equal(found, w * [0, 1, 1, 0])


@names
def test_not_finite_entries_stay_and_do_not_spread(name):
    w = np.float32([[np.nan, 1.0], [np.inf, 2.0], [-np.inf, 0.0], [3.0, 40.0]])
    for metric in (None, np.ones_like(w)):
        found = np.asarray(prox(EXAMPLES[name], w, (1,), metric))
        bad = ~np.isfinite(w)
        np.testing.assert_array_equal(found[bad], w[bad])
        np.testing.assert_array_equal(np.isfinite(found), ~bad)
        np.testing.assert_array_equal(found[3], prox(EXAMPLES[name], w[3:], (1,))[0])


@pytest.mark.parametrize("shape", [(0,), (0, 4), (4, 0), (), (1, 2)])
@names
def test_empty_and_single_leaves_work(name, shape):
    for axes in {(len(shape) - 1,) if shape else (), tuple(range(len(shape)))}:
        if name == "n_of_m" and (len(axes) != 1):
            continue
        w = jnp.full(shape, 2.0)
        found = (
            sgl.CONSTRAINTS[name](1).prox(w, 1.0, axes)
            if name == "top_k"
            else prox(EXAMPLES[name], w, axes)
        )
        assert found.shape == shape
        left = {"box": 1.0}.get(name, 2.0)
        np.testing.assert_array_equal(np.ravel(found)[:1], np.full(min(w.size, 1), left))


@names
def test_projection_works_under_vmap_and_grad(name):
    w = jnp.asarray(draw(3, 4, 2))
    one = functools.partial(prox, EXAMPLES[name], axes=(0,))
    np.testing.assert_array_equal(jax.vmap(one)(w), [one(row) for row in w])
    slope = jax.grad(lambda w: jnp.sum(one(w) * 3))(w[0])
    found = np.asarray(one(w[0]))
    # Levels move with the interval, their least-squares fit: this is a linear projection on them.
    along = np.sum(found * 3, axis=0) / np.sum(found**2, axis=0) * found
    expected = along if name == "levels" else np.where(found == w[0], 3.0, 0.0)
    np.testing.assert_allclose(slope, expected, rtol=1e-6, atol=1e-6)
    _, forward = jax.jvp(one, (w[0],), (jnp.full_like(w[0], 3.0),))
    np.testing.assert_allclose(forward, slope, rtol=1e-6, atol=1e-6)


@names
def test_constraint_has_no_strength(name):
    constraint = EXAMPLES[name]
    assert constraint.rescaled(7.0) is constraint
    w = jnp.asarray(draw(4, 2))
    for step in (0.0, 1e6):
        np.testing.assert_array_equal(constraint.prox(w, step, (0,)), prox(constraint, w, (0,)))
    value = constraint.value
    assert value(prox(constraint, w, (0,)), (0,), 0.0) == 0
    np.testing.assert_array_equal(hash(constraint), hash(type(constraint)(**vars(constraint))))
