"""Flax modules lose their dead channels and stay modules, which run by their own code."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from support.networks import NETWORKS, PADDED, kill, narrow_by_hand, narrow_widths

import sgl_jax as sgl
from sgl_jax._util.pytree import flatten_by_path


DEEP = "resnet56_projection", "vgg16", "wrn28_10"
MODULES = [
    pytest.param(name, marks=[pytest.mark.slow] * (name in DEEP))
    for name, spec in NETWORKS.items()
    if hasattr(spec.make, "module") and name not in PADDED
]


def killed(name):
    """A network of the zoo with dead channels, the same without them, and images."""
    spec = NETWORKS[name]
    params, dead = kill(spec, spec.build()[1], seed=0, share=0.5)
    hand = narrow_by_hand(spec, params, dead)
    narrow = spec.make.module(narrow_widths(spec, dead), hand)
    x = jax.random.normal(jax.random.key(1), (2, *spec.input_shape))
    return spec.make.module(spec.widths, params), narrow, x


@functools.cache
def compacted(name):
    full, _, x = killed(name)
    return sgl.compact_module(full, x, strict=True)


def leaves(module):
    return flatten_by_path(nnx.state(module) if isinstance(module, nnx.Module) else module)[0]


def same(found, expected):
    """Whether two states have the same leaves; random keys by their numbers."""
    found, expected = leaves(found), leaves(expected)
    assert list(found) == list(expected)
    for path, leaf in expected.items():
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf, found[path] = jax.random.key_data(leaf), jax.random.key_data(found[path])
        np.testing.assert_array_equal(found[path], leaf, err_msg=path)


def in_use(module, x):
    module = nnx.clone(module)
    module.eval()
    return nnx.jit(module)(x)


def stepped(module, x, optimizer):
    """The module after one update of an optimizer, in training mode."""

    @nnx.jit
    def step(module, optimizer):
        grads = nnx.grad(lambda module: jnp.mean(jnp.square(module(x))))(module)
        optimizer.update(module, grads)

    step(module, optimizer)
    return module


@pytest.mark.parametrize("name", MODULES)
def test_module_without_its_dead_channels_is_the_one_built_narrow(name):
    full, narrow, x = killed(name)
    small = compacted(name)
    assert nnx.graphdef(small.module) == nnx.graphdef(narrow)
    same(small.module, narrow)
    expected = in_use(full, x)
    scale = jnp.abs(expected).max()
    np.testing.assert_allclose(in_use(small.module, x), expected, rtol=0, atol=1e-5 * scale)
    assert small.report.error <= 1e-5 * small.report.scale


@pytest.mark.parametrize("name", ["lenet5", "mobilenet"])
def test_training_goes_on_with_an_optimizer_of_flax(name):
    _, narrow, x = killed(name)
    small = nnx.clone(compacted(name).module)
    tx = optax.sgd(1e-2, momentum=0.9)
    for module in (small, narrow):
        stepped(module, x, nnx.Optimizer(module, tx, wrt=nnx.Param))
    same(small, narrow)
    same(compacted(name).module, killed(name)[1])


def dense(width=8, norm=lambda width, rngs: nnx.Dropout(0.5, rngs=rngs), cls=None):
    """Two dense layers with something between them, the first three units of which are dead."""
    net = (cls or Dense)(width, norm)
    for layer in (net.fc1, net.norm):
        for name in ("kernel", "scale", "bias"):
            leaf = getattr(layer, name, None)
            if leaf is not None:
                leaf[...] = leaf[...].at[..., :3].set(0.0)
    return net


class Dense(nnx.Module):
    def __init__(self, width, norm):
        rngs = nnx.Rngs(0)
        self.fc1 = nnx.Linear(4, width, rngs=rngs)
        self.norm = norm(width, rngs)
        self.fc2 = nnx.Linear(width, 2, rngs=rngs)

    def __call__(self, x):
        return self.fc2(nnx.relu(self.norm(self.fc1(x))))


X = jax.random.normal(jax.random.key(3), (5, 4))


def by_channel(module):
    graphdef, params, rest = nnx.split(module, nnx.Param, ...)
    return sgl.channel_groups(lambda params, x: nnx.merge(graphdef, params, rest)(x), params, X)


@pytest.mark.parametrize("grouping", [lambda module: sgl.by_entry(), by_channel])
def test_optimizer_state_comes_along(grouping):
    def adam(module):
        tx = sgl.prox_adam(1e-2, sgl.Regularizer(sgl.L1(1e-3), grouping(module)))
        return nnx.Optimizer(module, tx, wrt=nnx.Param)

    full = dense()
    full.eval()
    optimizer = adam(full)
    stepped(full, X, optimizer)
    assert not leaves(full)["fc1/kernel"][:, :3].any()
    small = sgl.compact_module(full, X)
    assert small.module.fc1.out_features == 5
    follower = adam(small.module)
    nnx.update(follower, small.shrink(nnx.state(optimizer)))
    for _ in range(2):
        stepped(full, X, optimizer)
        stepped(small.module, X, follower)
    expected = leaves(small.shrink(nnx.state(full, nnx.Param)))
    for path, leaf in expected.items():
        np.testing.assert_allclose(leaves(small.module)[path], leaf, rtol=1e-4, atol=1e-6)
    sgl.check(follower.opt_state)
    assert follower.step[...] == 3


def test_the_module_itself_stays_as_it_is():
    full = dense(norm=lambda width, rngs: nnx.BatchNorm(width, rngs=rngs))
    before = nnx.clone(full)
    small = sgl.compact_module(full, X).module
    small.fc2.bias[...] = small.fc2.bias[...] + 1.0
    small(X)
    assert nnx.graphdef(full) == nnx.graphdef(before)
    same(full, before)


def test_shrink_takes_states_and_refuses_other_shapes():
    full = dense()
    small = sgl.compact_module(full, X)
    same(small.shrink(nnx.state(full)), small.module)
    same(small.shrink(nnx.state(full, nnx.Param)), nnx.state(small.module, nnx.Param))
    with pytest.raises(ValueError, match=r"of shape \(8,\), got \(5,\)"):
        small.shrink(nnx.state(small.module))


def test_a_model_of_the_catalogue_stays_one():
    _, _, x = killed("lenet5")
    small = compacted("lenet5").module
    assert type(small) is sgl.models.LeNet5
    assert small.widths == (3, 4, 6)
    again = nnx.eval_shape(lambda: sgl.models.LeNet5(small.widths, rngs=nnx.Rngs(5)))
    assert nnx.graphdef(again) == nnx.graphdef(small)
    nnx.update(again, nnx.state(small))
    np.testing.assert_array_equal(again(x), small(x))
    network, params, rest = sgl.train.split(small)
    np.testing.assert_allclose(network.apply((params, rest), x), small(x), rtol=1e-6)
    assert small(x[:1]).shape == (1, 10)


def test_dropout_goes_on_with_the_keys_that_it_had():
    full = dense()
    small = sgl.compact_module(full, X).module
    assert small.norm.deterministic is full.norm.deterministic is False
    drawn = small(X)
    assert jnp.any(drawn != small(X))
    assert leaves(small)["norm/rngs/count"] == 2
    assert leaves(full)["norm/rngs/count"] == 0
    same(sgl.compact_module(full, X).module.norm.rngs, full.norm.rngs)


def test_evaluation_mode_stays_on():
    full = dense(norm=lambda width, rngs: nnx.BatchNorm(width, rngs=rngs))
    full.eval()
    assert sgl.compact_module(full, X).module.norm.use_running_average is True
    full.train()
    assert sgl.compact_module(full, X).module.norm.use_running_average is False


class Tied(Dense):
    """The same layer twice, and a variable of one layer in another."""

    def __init__(self, width, norm):
        super().__init__(width, norm)
        self.again = self.fc1
        self.fc3 = nnx.Linear(4, width, rngs=nnx.Rngs(1))
        self.fc3.kernel = self.fc1.kernel

    def __call__(self, x):
        return self.fc2(nnx.relu(self.again(x)) + nnx.relu(self.fc1(2 * x)) + self.fc3(x))


def test_what_is_shared_stays_shared():
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


@pytest.mark.parametrize("norm", ["LayerNorm", "RMSNorm", "GroupNorm"])
def test_a_layer_that_counts_its_channels_is_named_and_can_be_protected(norm):
    options = {"num_groups": 2} if norm == "GroupNorm" else {}
    make = lambda width, rngs: getattr(nnx, norm)(width, **options, rngs=rngs)  # noqa: E731
    full = dense(norm=make)
    if norm != "GroupNorm":
        with pytest.raises(ValueError, match="Dense must give the same outputs") as error:
            sgl.compact_module(full, X)
        protect = re.search(r"protect='([^']*)'", str(error.value)).group(1)
        assert protect.startswith("norm/scale")
        assert "\n" not in str(error.value)
    else:
        protect = "norm"
    small = sgl.compact_module(full, X, protect=protect).module
    assert small.fc1.out_features == 8
    np.testing.assert_allclose(small(X), full(X), rtol=1e-5)


class Reshaped(Dense):
    def __call__(self, x):
        return self.fc2(nnx.relu(self.fc1(x)).reshape(-1, 8))


def test_sizes_that_are_written_down_are_refused_in_a_sentence():
    full = dense(cls=Reshaped)
    with pytest.raises(
        ValueError, match=r"Reshaped .* \(TypeError: .*keep some .*sgl.compact"
    ) as e:
        sgl.compact_module(full, X)
    assert "\n" not in str(e.value)
    assert sgl.compact_module(full, X, protect="fc1").module.fc1.out_features == 8
    assert full.fc1.out_features == 8


@pytest.mark.parametrize("name", PADDED[:1])
def test_pads_that_are_written_down_are_refused(name):
    full, _, x = killed(name)
    with pytest.raises(ValueError, match="ResNet must give the same outputs by its own code"):
        sgl.compact_module(full, x)


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


@pytest.mark.parametrize("names", [["query", "key"], ["query", "key", "value"]])
def test_attention_counts_what_it_compares(names):
    layer, x = attention(names, (..., 0))
    with pytest.raises(ValueError, match=r"protect='query/kernel\|key/kernel") as error:
        sgl.compact_module(layer, x)
    protect = re.search(r"protect='([^']*)'", str(error.value)).group(1)
    assert sgl.compact_module(layer, x, protect=protect).module.head_dim == 3


def test_options_are_those_of_compact():
    assert sgl.compact_module(dense(), X, round_to=4).module.fc1.out_features == 8
    with pytest.raises(ValueError, match="protect needs the path of a leaf, got 'nothing'"):
        sgl.compact_module(dense(), X, protect="nothing")
    with pytest.raises(ValueError, match="outputs differ"):
        sgl.compact_module(
            dense(norm=lambda width, rngs: nnx.LayerNorm(width, rngs=rngs)), X, tolerance=1e-3
        )


def test_constants_are_in_the_bias_that_takes_them_up():
    full = dense()
    full.fc1.bias[...] = full.fc1.bias[...].at[:3].set(jnp.array([1.0, 2.0, 0.5]))
    full.norm.deterministic = True
    small = sgl.compact_module(full, X)
    assert small.module.fc1.out_features == 5
    assert small.report.folded == ("fc2/bias",)
    np.testing.assert_allclose(small.module(X), full(X), rtol=1e-5)
