"""Layers that divide by a number of channels are rescaled, exactly where that is possible."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from support.modules import leaves
from support.tiers import usual

import sgl_jax as sgl
from sgl_jax.compaction.flax import narrow_module
from sgl_jax.compaction.flax._widths import rescale


pytestmark = pytest.mark.usefixtures("double", "standard_promotion")

WIDTH, DEAD = 8, 3


class Normed(nnx.Module):
    """Two dense layers with a norm between them, the first three channels of which are dead."""

    def __init__(self, norm, **options):
        rngs = nnx.Rngs(0)
        dense = {"rngs": rngs, "param_dtype": float}
        self.fc1 = nnx.Linear(4, WIDTH, **dense)
        self.norm = norm(WIDTH, **dense, **options)
        self.fc2 = nnx.Linear(WIDTH, 2, **dense)
        for name in ("scale", "bias"):
            leaf = getattr(self.norm, name, None)
            if leaf is not None:
                leaf[...] = jax.random.normal(rngs(), leaf.shape, float)
        for leaf in (self.fc1.kernel, *leaves_of(self.norm)):
            leaf[...] = leaf[...].at[..., :DEAD].set(0.0)

    def __call__(self, x):
        return self.fc2(self.norm(self.fc1(x)))


def leaves_of(layer):
    return [leaf for _, leaf in nnx.iter_graph(layer) if isinstance(leaf, nnx.Param)]


def centred(*args, **options):
    """The network with a first layer whose channels have the mean zero for every input."""
    full = Normed(*args, **options)
    kernel = full.fc1.kernel[...]
    full.fc1.kernel[...] = kernel.at[:, DEAD:].add(-kernel[:, DEAD:].mean(1, keepdims=True))
    return full


def inputs():
    return jax.random.normal(jax.random.key(3), (5, 4), float)


def assert_alike(small, full, *x):
    expected = full(*x)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(small(*x), expected, rtol=0, atol=1e-12 * scale)


def refused(full, *x):
    """The arrays that the refusal names, which have to suffice."""
    with pytest.raises(ValueError, match="by its own code without its dead channels") as error:
        sgl.compact_module(full, *x)
    assert "\n" not in str(error.value)
    protect = str(error.value).partition("protect='")[2].partition("'")[0]
    assert_alike(sgl.compact_module(full, *x, protect=protect).module, full, *x)
    return protect


def test_rms_norm_has_the_scale_and_epsilon_of_fewer_channels():
    full, x = Normed(nnx.RMSNorm, epsilon=1e-3), inputs()
    found = sgl.compact_module(full, x)
    norm, share = found.module.norm, 5 / 8
    assert (norm.num_features, norm.epsilon) == (5, 1e-3 / share)
    np.testing.assert_allclose(norm.scale, full.norm.scale[DEAD:] / share**0.5, rtol=1e-15)
    assert found.rescaled == {"norm/scale": share**-0.5}
    assert_alike(found.module, full, x)
    assert_alike(narrow_module(full, found.plan), full, x)
    np.testing.assert_array_equal(
        leaves(found.shrink(nnx.state(full)))["norm/scale"], full.norm.scale[DEAD:]
    )


def test_a_module_may_shrink_again():
    full, x = Normed(nnx.RMSNorm), inputs()
    once = sgl.compact_module(full, x).module
    for leaf in (once.fc1.kernel, once.fc1.bias, once.norm.scale):
        leaf[...] = leaf[...].at[..., 0].set(0.0)
    twice = sgl.compact_module(once, x).module
    assert twice.norm.num_features == 4
    assert_alike(twice, once, x)


@pytest.mark.parametrize(
    "options",
    usual([{}, {"use_bias": False}, {"use_fast_variance": False}], [{}]),
    ids=str,
)
def test_layer_norm_of_channels_without_a_mean_is_an_rms_norm(options):
    full, x = centred(nnx.LayerNorm, **options), inputs()
    small = sgl.compact_module(full, x).module
    assert small.norm.num_features == 5
    assert_alike(small, full, x)


@pytest.mark.parametrize("fast", usual([True, False], [True]))
def test_layer_norm_of_channels_with_a_mean_keeps_them(fast):
    assert refused(Normed(nnx.LayerNorm, use_fast_variance=fast), inputs()) == "norm/scale"


@pytest.mark.parametrize("norm", usual([nnx.LayerNorm, nnx.RMSNorm], [nnx.RMSNorm]))
def test_a_norm_without_a_scale_has_nothing_to_rescale(norm):
    options = {"use_bias": False} if norm is nnx.LayerNorm else {}
    full = centred(norm, use_scale=False, **options)
    full.fc2.kernel[...] = full.fc2.kernel[...].at[:DEAD].set(0.0)
    assert refused(full, inputs()) == "fc1/bias"


def test_a_norm_over_other_axes_counts_no_channels():
    full = Normed(nnx.LayerNorm, reduction_axes=(1,))
    x = jax.random.normal(jax.random.key(3), (2, 5, 4), float)
    found = sgl.compact_module(full, x)
    assert (found.module.norm.num_features, found.rescaled) == (5, {})
    assert_alike(found.module, full, x)


class Twice(Normed):
    """Two norms that share their scale."""

    def __init__(self, norm):
        super().__init__(norm)
        self.other = norm(WIDTH, rngs=nnx.Rngs(1), param_dtype=float, epsilon=1e-2)
        self.other.scale = self.norm.scale

    def __call__(self, x):
        y = self.fc1(x)
        return self.fc2(self.norm(y) - jnp.sin(self.other(2 * y)))


def test_a_scale_that_norms_share_is_rescaled_once():
    full, x = Twice(nnx.RMSNorm), inputs()
    small = sgl.compact_module(full, x).module
    assert small.norm.scale is small.other.scale
    assert_alike(small, full, x)


def attention(names, count=1, **options):
    """Attention, some dimensions of whose heads are dead."""
    options = {"decode": False, "param_dtype": float, "rngs": nnx.Rngs(0), **options}
    layer = nnx.MultiHeadAttention(2, 4, 8, **options)
    layer.eval()
    for name in names:
        for leaf in leaves_of(getattr(layer, name)):
            leaf[...] = leaf[...].at[..., :count].set(0.0)
    return layer, jax.random.normal(jax.random.key(0), (2, 5, 4), float)


@pytest.mark.parametrize("use_bias", usual([True, False], [True]))
def test_queries_of_heads_with_fewer_dimensions_are_rescaled(use_bias):
    full, x = attention(["query", "key", "value"], 3, use_bias=use_bias)
    found = sgl.compact_module(full, x)
    names = ["query/bias", "query/kernel"] if use_bias else ["query/kernel"]
    assert (found.module.head_dim, found.module.qkv_features) == (1, 2)
    assert found.rescaled == dict.fromkeys(names, 0.5)
    assert_alike(found.module, full, x)


def test_keys_alone_lose_dimensions_where_the_function_of_attention_allows_it():
    full, x = attention(["query", "key"], dropout_rate=0.5)
    small = sgl.compact_module(full, x).module
    assert small.query.kernel.shape == small.key.kernel.shape == (4, 2, 3)
    assert small.value.kernel.shape == (4, 2, 4)
    assert_alike(small, full, x)


def test_keys_alone_stay_where_it_does_not():
    assert refused(*attention(["query", "key"])) == "key/bias"


@pytest.mark.slow
def test_other_numbers_of_keys_and_values_stay_together():
    full, x = attention(["query", "key"], 2)
    for leaf in leaves_of(full.value):
        leaf[...] = leaf[...].at[..., 0].set(0.0)
    assert refused(full, x) == "key/bias|value/bias"


def test_a_group_norm_whose_groups_are_smaller_is_rescaled():
    full = nnx.GroupNorm(8, 2, param_dtype=float, epsilon=1e-3, rngs=nnx.Rngs(0))
    narrow = nnx.clone(full)
    kept = np.array([0, 1, 2, 4, 5, 6])
    for leaf in leaves_of(narrow):
        leaf.set_value(leaf[...][kept])
    assert rescale(full, narrow) == {"scale": 0.75**-0.5}
    x = np.zeros((3, 5, 8))
    x[..., kept] = jax.random.normal(jax.random.key(0), (3, 5, 6), float)
    for group in ([0, 1, 2], [4, 5, 6]):
        x[..., group] -= x[..., group].mean((1, 2), keepdims=True)
    np.testing.assert_allclose(narrow(x[..., kept]), full(x)[..., kept], rtol=1e-12)


class Blocks(nnx.Module):
    """Residual blocks with a norm each, of which one has no scale."""

    def __init__(self):
        dense = {"rngs": nnx.Rngs(0), "param_dtype": float}
        self.made = nnx.List(nnx.Linear(4, WIDTH, **dense) for _ in range(3))
        self.norms = nnx.List(
            nnx.RMSNorm(WIDTH, use_scale=number != 1, **dense) for number in range(3)
        )
        self.read = nnx.List(nnx.Linear(WIDTH, 4, **dense) for _ in range(3))
        for layer in (*self.made, *self.norms):
            for leaf in leaves_of(layer):
                leaf[...] = leaf[...].at[..., :DEAD].set(0.0)

    def __call__(self, x):
        for made, norm, read in zip(self.made, self.norms, self.read, strict=True):
            x = x + read(norm(made(x)))
        return x


def test_of_many_layers_the_one_that_has_to_stay_is_named():
    full, x = Blocks(), inputs()
    assert refused(full, x) == "made/1/bias"
    small = sgl.compact_module(full, x, protect="made/1/bias").module
    assert [layer.out_features for layer in small.made] == [5, 8, 5]
