"""Storage is what is counted by hand, by every definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sgl_jax as sgl
from sgl_jax.metrics import Storage


KERNEL = np.zeros((4, 10), np.float32)
KERNEL[0, 1], KERNEL[0, 2], KERNEL[2, 5], KERNEL[3, 9] = 0.1, -0.2, 0.4, 0.1
"""Zeros before the weights, row by row: 1, 0, 22, 13; three levels of four are in use."""

PARAMS = {
    "a": {"kernel": jnp.asarray(KERNEL), "bias": jnp.ones(10)},
    "b": {"kernel": jnp.asarray(np.float32([[0.3, 0.0], [-0.3, 0.3]])), "bias": jnp.ones(2)},
    "count": jnp.zeros((3, 3), jnp.int32),
}


def test_counts_are_those_made_by_hand():
    found = sgl.storage(PARAMS, index_bits=3)
    assert (found.weights, found.kept, found.kept_before, found.levels) == (44, 7, 7, 7)
    assert found.dense_bytes == 4 * (44 + 12)
    assert found.data_bits == 4 * 3 + 3 * 1
    # Fillers: two before the weight after 22 zeros, one before that after 13.
    assert found.indexed_bits == (4 + 3) * (3 + 3) + 3 * (1 + 3)
    assert found.file_bytes is None


def test_the_best_index_is_no_longer_than_any():
    every = [sgl.storage(PARAMS, index_bits=bits).indexed_bits for bits in range(1, 17)]
    best = sgl.storage(PARAMS).indexed_bits
    assert best <= min(every)
    alone = [sgl.storage({"w": PARAMS[name]["kernel"]}).indexed_bits for name in "ab"]
    assert best == sum(alone)


def test_rates_compare_with_the_network_before_compaction():
    narrow = {"a": {"kernel": PARAMS["a"]["kernel"][:, 1:6], "bias": jnp.ones(5)}}
    found = sgl.storage(narrow, PARAMS, file_bytes=28)
    assert (found.weights, found.kept_before, found.kept) == (44, 7, 3)
    assert found.rates == pytest.approx(
        {
            "weights, before compaction": 44 / 7,
            "weights": 44 / 3,
            "data of weights": 32 * 44 / (3 * 3),
            "weights with indices": 32 * 44 / found.indexed_bits,
            "file": 224 / 28,
        }
    )


def test_weights_on_no_levels_take_all_their_bits():
    drawn = np.random.default_rng(0).standard_normal((20, 50))
    for dtype, bits in (("float32", 32), ("bfloat16", 16)):
        found = sgl.storage({"w": jnp.asarray(drawn, dtype)})
        assert (found.levels, found.data_bits) == (0, 1000 * bits)


def test_shapes_alone_are_no_weights_kept():
    shapes = jax.eval_shape(lambda: PARAMS)
    found = sgl.storage(PARAMS, shapes)
    assert found == sgl.storage(PARAMS)._replace(kept_before=None)
    assert "weights, before compaction" not in found.rates


def test_a_network_of_zeros_has_no_rate_of_weights():
    found = sgl.storage({"w": jnp.zeros((3, 3))})
    assert (found.kept, found.data_bits, found.indexed_bits, found.rates) == (0, 0, 0, {})


def test_storage_goes_through_json():
    found = sgl.storage(PARAMS, file_bytes=3)
    assert Storage.from_json(found.to_json()) == found


@pytest.mark.parametrize("bits", [0, 17])
def test_index_bits_out_of_their_range_are_refused(bits):
    with pytest.raises(ValueError, match="needs 1 to 16 bits, got"):
        sgl.storage(PARAMS, index_bits=bits)
