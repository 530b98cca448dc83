"""Intervals and codes are read off arrays on levels, bit for bit, and off no others."""

import jax.numpy as jnp
import numpy as np
import pytest

import sgl_jax as sgl
from sgl_jax.metrics import Codes


DTYPES = ("float16", "bfloat16", "float32", "float64")


def on_levels(interval, codes, dtype="float32"):
    return (np.float32(interval) * np.float32(codes)).astype(jnp.dtype(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_levels_come_back_bit_for_bit(dtype):
    generator = np.random.default_rng(0)
    for most in (1, 2, 3, 4, 7, 64):
        for interval in np.exp(generator.normal(-3.0, 2.0, 20)):
            array = on_levels(interval, generator.integers(-most, most + 1, (3, 50)), dtype)
            found = sgl.read_levels(array)
            assert found.interval.dtype == np.float32
            assert found.codes.shape == array.shape
            assert found.largest <= most
            assert found.values(array.dtype).dtype == array.dtype
            np.testing.assert_array_equal(found.values(array.dtype), array)


def test_a_thousand_levels_are_read():
    codes = np.arange(-1000, 1001)
    found = sgl.read_levels(jnp.asarray(on_levels(0.0123, codes)))
    np.testing.assert_array_equal(found.codes, codes)


def test_the_largest_interval_is_taken():
    found = sgl.read_levels(on_levels(0.1, [2, -4, 0, 8]))
    assert found.interval == np.float32(0.2)
    np.testing.assert_array_equal(found.codes, [1, -2, 0, 4])


@pytest.mark.parametrize("codes", [[2, 3, 4], [3, 5], [5, 7, 9], [6, 35]])
def test_the_lowest_levels_may_be_empty(codes):
    found = sgl.read_levels(on_levels(0.0371, codes))
    np.testing.assert_array_equal(found.codes, codes)


def test_one_bit_beside_a_level_is_none():
    array = on_levels(0.3, np.arange(1, 9))
    for place in (2, 4, 6):  # 3, 5 and 7 times the interval
        for side in (0.0, np.inf):
            beside = array.copy()
            for _ in range(2):
                beside[place] = np.nextafter(beside[place], np.float32(side))
            assert sgl.read_levels(beside) is None


@pytest.mark.parametrize("array", [[np.nan, 1.0], [np.inf], np.arange(1, 2_000) / 7.0])
def test_other_numbers_are_on_no_levels(array):
    assert sgl.read_levels(np.float32(array)) is None


def test_drawn_numbers_are_on_no_levels():
    generator = np.random.default_rng(0)
    for count in (10, 100, 1000, 100_000):
        assert sgl.read_levels(generator.standard_normal(count, np.float32)) is None


def test_integers_are_no_levels():
    assert sgl.read_levels(np.arange(3)) is None


@pytest.mark.parametrize("shape", [(0,), (3, 2), ()])
def test_zeros_have_the_interval_one(shape):
    found = sgl.read_levels(np.full(shape, -0.0, np.float32))
    assert (found.interval, found.largest, found.codes.shape) == (1.0, 0, shape)
    assert isinstance(found, Codes)


def test_tiny_and_huge_levels_are_read():
    for interval in (1e-44, 1e-38, 1e30):
        codes = np.array([1, -3, 4, 7])
        np.testing.assert_array_equal(sgl.read_levels(on_levels(interval, codes)).codes, codes)
