"""Flax modules lose their dead channels and stay modules, which run by their own code."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from support.modules import X, assert_same_state, dense, killed, leaves
from support.networks import NETWORKS, sparing

import sgl_jax as sgl


MODULES = sparing(name for name, spec in NETWORKS.items() if hasattr(spec.make, "module"))


@functools.cache
def compacted(name):
    full, _, x = killed(name)
    return sgl.compact_module(full, x, strict=True)


def in_use(module, x):
    module = nnx.clone(module)
    module.eval()
    return nnx.jit(lambda module, x: module(x))(module, x)


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
    assert_same_state(small.module, narrow)
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
    assert_same_state(small, narrow)
    assert_same_state(compacted(name).module, killed(name)[1])


def by_channel(module):
    graphdef, params, rest = nnx.split(module, nnx.Param, ...)

    def apply(variables, x):
        return nnx.merge(graphdef, *variables)(x)

    return sgl.channel_groups(apply, (params, rest), X.astype(float))


@pytest.mark.slow
@pytest.mark.parametrize("grouping", [lambda module: sgl.by_entry(), by_channel])
def test_optimizer_state_comes_along(grouping, double):
    def adam(module):
        tx = sgl.prox_adam(1e-2, sgl.Regularizer(sgl.L1(1e-3), grouping(module)))
        return nnx.Optimizer(module, tx, wrt=nnx.Param)

    full, x = dense(), X.astype(float)
    nnx.update(full, jax.tree.map(lambda w: w.astype(float), nnx.state(full, nnx.Param)))
    full.eval()
    optimizer = adam(full)
    stepped(full, x, optimizer)
    assert not leaves(full)["fc1/kernel"][:, :3].any()
    small = sgl.compact_module(full, x)
    assert small.module.fc1.out_features == 5
    follower = adam(small.module)
    nnx.update(follower, small.shrink(nnx.state(optimizer)))
    for _ in range(2):
        stepped(full, x, optimizer)
        stepped(small.module, x, follower)
    expected = leaves(small.shrink(nnx.state(full, nnx.Param)))
    for path, leaf in expected.items():
        np.testing.assert_allclose(leaves(small.module)[path], leaf, rtol=1e-9, atol=1e-12)
    sgl.check(follower.opt_state)
    assert follower.step[...] == 3


def test_the_module_itself_stays_as_it_is():
    full = dense(norm=lambda width, rngs: nnx.BatchNorm(width, rngs=rngs))
    before = nnx.clone(full)
    small = sgl.compact_module(full, X).module
    small.fc2.bias[...] = small.fc2.bias[...] + 1.0
    small(X)
    assert nnx.graphdef(full) == nnx.graphdef(before)
    assert_same_state(full, before)


def test_shrink_takes_states_and_refuses_other_shapes():
    full = dense()
    small = sgl.compact_module(full, X)
    assert_same_state(small.shrink(nnx.state(full)), small.module)
    assert_same_state(small.shrink(nnx.state(full, nnx.Param)), nnx.state(small.module, nnx.Param))
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
    assert_same_state(sgl.compact_module(full, X).module.norm.rngs, full.norm.rngs)


def test_evaluation_mode_stays_on():
    full = dense(norm=lambda width, rngs: nnx.BatchNorm(width, rngs=rngs))
    full.eval()
    assert sgl.compact_module(full, X).module.norm.use_running_average is True
    full.train()
    assert sgl.compact_module(full, X).module.norm.use_running_average is False


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
