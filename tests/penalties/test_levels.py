"""Levels: the interval against a scan, ties, zeros, dtypes, groups, counts of layers."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.constraints import draw
from support.problems import draw as draw_tree
from support.tiers import paired

import sgl_jax as sgl


SCANNED = 4_000


@functools.partial(jax.jit, static_argnums=(1, 2))
def project(w, count, zero=False, interval=None):
    return sgl.prox.project_levels(w, count, zero, interval=interval)


def errors(w, intervals, count, zero):
    """The squared error of each interval, in float64; zeros are off the support."""
    sizes = np.abs(w[w != 0]).astype(np.float64)
    codes = np.clip(np.round(sizes / intervals[:, None]), 0 if zero else 1, count)
    return np.sum((sizes - intervals[:, None] * codes) ** 2, axis=1)


def draw_rows(rows):
    """Rows of normal, Laplace, uniform and bimodal numbers, of which some are zero."""
    generator, size = np.random.default_rng(0), (rows // 4, 200)
    kinds = [
        generator.normal(size=size),
        generator.laplace(size=size),
        generator.uniform(-1, 1, size=size),
        generator.choice([-1, 1], size) * (1 + 0.2 * generator.normal(size=size)),
    ]
    w = np.concatenate(kinds).astype(np.float32)
    lengths = generator.integers(5, 200, size=(len(w), 1))
    return np.where(np.arange(200) < lengths, w, 0)


@pytest.mark.parametrize(("count", "zero"), paired([1, 2, 3, 4, 8], [False, True]))
def test_interval_is_as_good_as_the_best_of_a_scan(count, zero):
    for w in draw_rows(8):
        found = project(w, count, zero)
        scan = np.linspace(0, 1.05 * np.max(np.abs(w)), SCANNED + 1)[1:]
        least = np.min(errors(w, scan, count, zero))
        error = np.sum((np.asarray(found.values, np.float64) - w) ** 2)
        # What is rounded is the sum of squares, from which the gain of levels is taken.
        assert error <= least + 4 * np.finfo(np.float32).eps * np.sum(w.astype(float) ** 2)


def test_array_is_interval_times_code():
    w = draw(30, 20)
    values, interval, codes = project(w, 3)
    assert interval.shape == (1, 1)
    np.testing.assert_array_equal(values, np.float32(interval) * np.asarray(codes, np.float32))
    assert set(np.unique(codes)) == {-3, -2, -1, 1, 2, 3}
    np.testing.assert_array_equal(np.sign(codes), np.sign(w))
    error = np.sum((values - w) ** 2)
    for factor in (0.99, 1.01):
        other = project(w, 3, interval=interval * np.float32(factor)).values
        assert np.sum((other - w) ** 2) > error


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_projection_of_levels_is_the_same_to_the_last_bit(dtype):
    with jax.enable_x64(dtype == "float64"):
        w = jnp.asarray(draw(300), dtype)
        for count in (1, 3, 7):
            values, interval, codes = project(w, count)
            again = project(values, count)
            np.testing.assert_array_equal(again.values, values)
            assert values.dtype == dtype
            np.testing.assert_array_equal(interval.astype(dtype).astype(interval.dtype), interval)
            rounded = (interval * codes.astype(interval.dtype)).astype(dtype)
            np.testing.assert_array_equal(values, rounded)


def test_ties_go_to_the_lower_magnitude():
    w = np.float32([0.25, -0.25, 0.75, -1.25, 9.0])
    np.testing.assert_array_equal(project(w, 3, True, 0.5).codes, [0, 0, 1, -2, 3])
    np.testing.assert_array_equal(project(w, 3, False, 0.5).codes, [1, -1, 1, -2, 3])


def test_of_equal_intervals_it_is_the_larger():
    found = project(np.float32([0.5, -0.5, 0.0, 0.5]), 4)
    assert found.interval == 0.5
    np.testing.assert_array_equal(found.codes, [1, -1, 0, 1])


def test_one_level_is_the_mean_magnitude():
    w = np.float32([1.0, -2.0, 0.0, 6.0])
    found = project(w, 1)
    assert found.interval == 3.0
    np.testing.assert_array_equal(found.values, [3, -3, 0, 3])


@pytest.mark.parametrize("zero", [False, True])
def test_zeros_stay_zero_and_others_do_not_become_zero_without_that_level(zero):
    w = np.float32([0.0, -0.0, 1e-3, -1e-3, 1.0, -1.1])
    codes = project(w, 1, zero).codes
    np.testing.assert_array_equal(codes, [0, 0, 0, 0, 1, -1] if zero else [0, 0, 1, -1, 1, -1])
    nothing = project(np.zeros(3, np.float32), 2, zero)
    assert nothing.interval == 1
    np.testing.assert_array_equal(nothing.values, 0)


def test_zero_on_a_given_support_goes_to_the_lowest_level():
    w, support = np.float32([0.0, -0.0, 4.0, 0.0]), np.array([True, True, True, False])
    found = sgl.prox.project_levels(w, 1, support=support)
    np.testing.assert_allclose(found.interval, 4 / 3, rtol=1e-6)
    np.testing.assert_array_equal(found.codes, [1, 1, 1, 0])
    np.testing.assert_array_equal(sgl.prox.project_levels(w, 1, True, support=support).codes[:2], 0)


def test_scale_of_the_numbers_does_not_matter():
    w = draw(40)
    for scale in (2.0**-100, 2.0**100):
        found = project(w * np.float32(scale), 3)
        np.testing.assert_array_equal(found.codes, project(w, 3).codes)


def test_each_output_has_an_interval_of_its_own():
    w = draw(3, 3, 2, 4) * np.float32([0.1, 1, 10, 100])
    found = sgl.prox.project_levels(w, 2, axes=(0, 1, 2))
    assert found.interval.shape == (1, 1, 1, 4)
    rows = [project(w[..., k].ravel(), 2).values for k in range(4)]
    np.testing.assert_allclose(found.values.reshape(-1, 4).T, rows, rtol=1e-6)
    regularizer = sgl.Regularizer(sgl.Levels(2), sgl.by_filter())
    np.testing.assert_array_equal(regularizer.prox({"kernel": w}, 1.0)["kernel"], found.values)


def test_leaves_of_one_group_share_an_interval():
    params = draw_tree(0)
    found = sgl.Regularizer(sgl.Levels(2), sgl.by_tree()).prox(params, 1.0)
    sizes = np.concatenate([np.abs(np.ravel(leaf)) for leaf in jax.tree.leaves(found)])
    assert len(np.unique(sizes)) == 2
    flat = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(params)])
    np.testing.assert_allclose(np.unique(sizes)[0], project(flat, 2).interval, rtol=1e-6)


@pytest.mark.parametrize("count", [{"conv": 4, "": 1}, (("conv", 4), ("fc|bias", 1))])
def test_layers_may_have_counts_of_their_own(count):
    params = draw_tree(0)
    found = sgl.Regularizer(sgl.Levels(count), sgl.by_layer(only="kernel")).prox(params, 1.0)
    kernels = [found[layer]["kernel"] for layer in ("conv", "fc")]
    assert [len(np.unique(np.abs(kernel))) for kernel in kernels] == [4, 1]
    with pytest.raises(ValueError, match=r"none of the patterns 'conv' in 'fc/bias'; add ''"):
        sgl.Regularizer(sgl.Levels({"conv": 1})).prox({"fc": {"bias": jnp.ones(2)}}, 1.0)


@pytest.mark.parametrize("count", [0, 2**15, True, 1.5, "two", (("a", 0),), ((1, 2),), ()])
def test_counts_out_of_range_are_refused(count):
    with pytest.raises((ValueError, TypeError), match=r"Levels|count"):
        sgl.Levels(count)


@pytest.mark.parametrize("metric", [1.0, 3.0])
def test_metric_weighs_the_squares(metric):
    w = np.float32([1.0, 2.0, 0.0])
    found = sgl.Levels(1).prox(w, 1.0, (0,), np.float32([1.0, metric, 1.0]))
    np.testing.assert_allclose(found, [(1 + 2 * metric) / (1 + metric)] * 2 + [0], rtol=1e-6)
