"""A module in training mode is compacted to one that is right in training mode, too."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import sgl_jax as sgl
from sgl_jax.compaction import measure_size


class Net(nnx.Module):
    """A convolution and two dense layers, with dead channels that are zero or constant."""

    def __init__(self, between):
        rngs = nnx.Rngs(0)
        self.conv = nnx.Conv(1, 6, (3, 3), rngs=rngs)
        self.between = between(6, rngs)
        self.fc = nnx.Linear(6, 4, rngs=rngs)
        self.out = nnx.Linear(4, 2, rngs=rngs)
        self.conv.kernel[...] = self.conv.kernel[...].at[..., :3].set(0.0)
        self.fc.kernel[...] = self.fc.kernel[...].at[:, 0].set(0.0)
        self.fc.bias[...] = self.fc.bias[...].at[0].set(0.3)

    def __call__(self, x):
        return self.out(nnx.relu(self.fc(nnx.relu(self.between(self.conv(x))).mean((1, 2)))))


def batch_norm(width, rngs):
    return nnx.BatchNorm(width, rngs=rngs)


def dropout(width, rngs):
    return nnx.Dropout(0.5, rngs=rngs)


X = jax.random.normal(jax.random.key(1), (4, 6, 6, 1))


def assert_alike(small, full, mode):
    small, full = nnx.clone(small), nnx.clone(full)
    for module in (small, full):
        getattr(module, mode)()
    np.testing.assert_allclose(small(X), full(X), rtol=1e-5, atol=1e-6)
    return small, full


@pytest.mark.slow
def test_constants_that_training_changes_stay():
    full = Net(batch_norm)
    full.between.bias[...] = full.between.bias[...].at[2].set(0.4)
    full.conv.bias[...] = full.conv.bias[...].at[2].set(0.5)
    full.between.scale[...] = full.between.scale[...].at[:2].set(0.0)
    found = sgl.compact_module(full, X)
    assert found.module.conv.out_features == 4
    assert_alike(found.module, full, "eval")
    small, full = assert_alike(found.module, full, "train")
    np.testing.assert_allclose(small.between.mean, full.between.mean[2:], rtol=1e-5)
    assert any("training mode" in line for line in found.report.kept)
    full.eval()
    graphdef, state = nnx.split(full)
    size = measure_size(lambda state, x: nnx.merge(graphdef, state, copy=True)(x), state, X)
    assert found.report.before == size


def test_constants_that_are_the_same_in_training_are_folded():
    full = Net(batch_norm)
    full.between.scale[...] = full.between.scale[...].at[:3].set(0.0)
    full.between.bias[...] = full.between.bias[...].at[:3].set(jnp.array([0.4, -1.0, 0.0]))
    found = sgl.compact_module(full, X)
    assert (found.module.conv.out_features, found.module.fc.out_features) == (3, 3)
    for mode in ("eval", "train"):
        assert_alike(found.module, full, mode)


def test_constants_that_a_dropout_scales_stay_until_evaluation():
    full = Net(dropout)
    full.conv.bias[...] = full.conv.bias[...].at[:2].set(0.5)
    assert sgl.compact_module(full, X).module.conv.out_features == 5
    full.eval()
    small = sgl.compact_module(full, X).module
    assert (small.conv.out_features, small.fc.out_features) == (3, 3)
    assert_alike(small, full, "eval")


def test_zeros_go_with_any_dropout():
    small = sgl.compact_module(Net(dropout), X).module
    assert (small.conv.out_features, small.fc.out_features) == (3, 3)


def test_a_module_that_does_not_run_in_training_mode_is_refused_in_a_sentence():
    full = Net(lambda width, rngs: nnx.Dropout(0.5))
    with pytest.raises(ValueError, match=r"Net must run in the training mode .* eval\(\)") as error:
        sgl.compact_module(full, X)
    assert "\n" not in str(error.value)
    full.eval()
    assert sgl.compact_module(full, X).module.conv.out_features == 3


def test_layers_that_leave_their_mode_to_the_call_are_not_in_training_mode():
    full = Net(lambda width, rngs: nnx.Dropout(0.5, deterministic=None))
    full.conv.bias[...] = full.conv.bias[...].at[:2].set(0.5)
    small = sgl.compact_module(full, X).module
    assert (small.conv.out_features, small.between.deterministic) == (3, None)


class Doubled(Net):
    """A network that has its number of channels written down, for training alone."""

    def __call__(self, x):
        y = self.between(self.conv(x)).mean((1, 2))
        return self.out(self.fc(y if self.between.deterministic else y + jnp.zeros((1, 6))))


def test_a_module_that_differs_in_training_alone_is_refused_in_a_sentence():
    full = Doubled(dropout)
    full.fc.bias[...] = full.fc.bias[...].at[0].set(0.0)
    with pytest.raises(ValueError, match=r"in training mode .*'conv/bias'.*eval\(\)") as error:
        sgl.compact_module(full, X)
    assert "\n" not in str(error.value)
    small = sgl.compact_module(full, X, protect="conv/bias").module
    assert (small.conv.out_features, small.fc.out_features) == (6, 3)
