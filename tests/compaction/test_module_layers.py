"""Modules whose layers are shared, keep plain arrays or sizes, or count their channels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from support.modules import Dense, X, dense

import sgl_jax as sgl


class Tied(Dense):
    """The same layer twice, and a variable of one layer in another."""

    def __init__(self, width, norm):
        super().__init__(width, norm)
        self.again = self.fc1
        self.fc3 = nnx.Linear(4, width, rngs=nnx.Rngs(1))
        self.fc3.kernel = self.fc1.kernel

    def __call__(self, x):
        return self.fc2(nnx.relu(self.again(x)) + nnx.relu(self.fc1(2 * x)) + self.fc3(x))


def test_shared_layers_and_variables_stay_shared():
    full = dense(cls=Tied)
    full.fc3.bias[...] = full.fc3.bias[...].at[:3].set(0.0)
    small = sgl.compact_module(full, X).module
    assert small.again is small.fc1 is not full.fc1
    assert small.fc3.kernel is small.fc1.kernel is not full.fc1.kernel
    assert small.fc1.out_features == small.fc3.out_features == small.fc2.in_features == 5
    np.testing.assert_allclose(small(X), full(X), rtol=1e-5)


class Masked(Dense):
    """Plain arrays beside the variables, and a flag in the call."""

    def __init__(self, width, norm):
        super().__init__(width, norm)
        self.gains = jnp.arange(1.0, 1.0 + width)
        self.steps = nnx.Variable(7)

    def __call__(self, x, *, shift):
        assert shift
        return self.fc2(nnx.relu(self.fc1(x)) * self.gains[None])


def test_plain_arrays_are_sliced_and_calls_may_have_flags():
    full = dense(cls=Masked)
    small = sgl.compact_module(full, X, call=lambda module, x: module(x, shift=True)).module
    np.testing.assert_array_equal(small.gains, np.arange(4.0, 9.0))
    assert small.steps.get_value() == 7
    np.testing.assert_allclose(small(X, shift=True), full(X, shift=True), rtol=1e-5)


class Reshaped(Dense):
    def __call__(self, x):
        return self.fc2(nnx.relu(self.fc1(x)).reshape(-1, 8))


def test_sizes_that_are_written_down_are_refused_in_a_sentence():
    full = dense(cls=Reshaped)
    with pytest.raises(
        ValueError, match=r"Reshaped .* \(TypeError: .*keep some with protect='fc1/bias'"
    ) as e:
        sgl.compact_module(full, X)
    assert "\n" not in str(e.value)
    assert sgl.compact_module(full, X, protect="fc1/bias").module.fc1.out_features == 8
    assert full.fc1.out_features == 8


class Padded(nnx.Module):
    """A residual layer whose input gets zeros below, as many as it has written down."""

    def __init__(self, width, rngs):
        self.below = width
        self.fc1 = nnx.Linear(3, 6, rngs=rngs)
        self.fc2 = nnx.Linear(6, 6 + width, rngs=rngs)
        self.fc3 = nnx.Linear(6 + width, 2, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.fc1(x))
        return self.fc3(jnp.pad(x, ((0, 0), (self.below, 0))) + nnx.relu(self.fc2(x)))


def test_zeros_that_are_written_down_keep_the_channels_beside_them():
    full, x = Padded(4, nnx.Rngs(0)), jax.random.normal(jax.random.key(0), (5, 3))
    for leaf in (full.fc2.kernel, full.fc2.bias):
        leaf[...] = leaf[...].at[..., :2].set(0.0)
    with pytest.raises(ValueError, match=r"Padded .* protect='fc2/bias'"):
        sgl.compact_module(full, x)
    assert sgl.compact_module(full, x, protect="fc2/bias").module.fc3.in_features == 10


def attention(names, at):
    layer = nnx.MultiHeadAttention(2, 4, 6, decode=False, rngs=nnx.Rngs(0))
    for name in names:
        for leaf in (getattr(layer, name).kernel, getattr(layer, name).bias):
            leaf[...] = leaf[...].at[at].set(0.0)
    return layer, jax.random.normal(jax.random.key(0), (2, 5, 4))


def test_attention_loses_heads():
    layer, x = attention(["query", "key", "value"], (..., 0, slice(None)))
    small = sgl.compact_module(layer, x).module
    assert (small.num_heads, small.head_dim, small.qkv_features) == (1, 3, 3)
    assert small.out.kernel.shape == (1, 3, 4)
    np.testing.assert_allclose(small(x), layer(x), rtol=1e-4, atol=1e-6)
