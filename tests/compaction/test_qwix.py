"""Quantised arrays of qwix give the leaves on levels back, bit for bit, by its own arithmetic."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.archives import lenet, same, small
from support.idx_files import assert_sentence

import sgl_jax as sgl


def dequantized(qwix, tree):
    is_quantized = lambda leaf: isinstance(leaf, qwix.QArray)  # noqa: E731
    back = lambda leaf: qwix.dequantize(leaf) if is_quantized(leaf) else leaf  # noqa: E731
    return {path: np.asarray(back(leaf)) for path, leaf in tree.items()}


@pytest.mark.parametrize("make", [small, lenet])
def test_every_bit_comes_back_from_qwix(make):
    qwix = pytest.importorskip("qwix")
    arrays = {path: array for path, array in make().items() if array.size}
    found = sgl.artifacts.to_qwix({path: jnp.asarray(array) for path, array in arrays.items()})
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        assert same(dequantized(qwix, found), arrays)
    kernels = [leaf for path, leaf in found.items() if path.endswith("kernel")]
    assert all(str(leaf.qvalue.dtype) == "int4" for leaf in kernels)


@pytest.mark.parametrize(
    ("codes", "kind"),
    [([-8, 7], "int4"), ([1, 8], "int8"), ([-128, 127], "int8"), ([1, 128], None)],
)
def test_the_narrowest_type_that_holds_the_codes_is_taken(codes, kind):
    qwix = pytest.importorskip("qwix")
    leaf = jnp.asarray(np.float32(0.3) * np.float32(codes))
    found = sgl.artifacts.to_qwix({"w": leaf})["w"]
    if kind is None:
        assert found is leaf
        return
    assert str(found.qvalue.dtype) == kind
    np.testing.assert_array_equal(qwix.dequantize(found), leaf)


def test_intervals_that_a_type_does_not_have_stay():
    """0.3 is no number of bfloat16: its multiples there are no multiples of one number."""
    pytest.importorskip("qwix")
    leaf = jnp.asarray(np.float32(0.3) * np.arange(-4.0, 5.0, dtype=np.float32), jnp.bfloat16)
    assert sgl.read_levels(leaf) is not None
    assert sgl.artifacts.to_qwix({"w": leaf})["w"] is leaf


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "qwix", None)
    with pytest.raises(ImportError, match="not installed") as error:
        sgl.artifacts.to_qwix({})
    assert_sentence(error, "qwix", "pip install 'sgl-jax[qwix]'")
