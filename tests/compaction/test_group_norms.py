"""GroupNorm loses whole groups, and single channels where every group has one to lose."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from support.tiers import usual
from support.two_layers import gradient

import sgl_jax as sgl


X = np.random.default_rng(0).standard_normal((2, 3, 3, 2))
MADE = "kernel", "bias", "norm_scale", "norm_bias"


def along(channels):
    """An array of channels beside an image."""
    return channels.reshape(1, 1, 1, -1)


def drawn(groups, size):
    """A convolution, a norm and a convolution."""
    generator = np.random.default_rng(groups)
    shapes = {"kernel": (1, 1, 2, groups * size), "last": (1, 1, groups * size, 3)}
    shapes |= dict.fromkeys(MADE[1:], (groups * size,))
    return {name: generator.standard_normal(shape) for name, shape in shapes.items()}


def in_flax(groups, size):
    """The norm of Flax, which repeats its means."""
    norm = linen.GroupNorm(groups, force_float32_reductions=False)

    def normalized(params, x):
        arrays = {"scale": params["norm_scale"], "bias": params["norm_bias"]}
        with jax.numpy_dtype_promotion("standard"):
            return norm.apply({"params": arrays}, x)

    return network(normalized)


def by_hand(groups, size):
    """A norm on an axis of groups and one of their channels."""

    def normalized(params, x):
        parts = x.reshape(*x.shape[:-1], groups, size)
        mean = parts.mean((1, 2, 4), keepdims=True)
        square = (parts**2).mean((1, 2, 4), keepdims=True)
        parts = (parts - mean) * jax.lax.rsqrt(square - mean**2 + 1e-6)
        return parts.reshape(x.shape) * along(params["norm_scale"]) + along(params["norm_bias"])

    return network(normalized)


def network(normalized):
    def convolved(x, kernel):
        return jnp.einsum("byxi,io->byxo", x, kernel[0, 0])

    def apply(params, x):
        x = convolved(x, params["kernel"]) + along(params["bias"])
        return convolved(jax.nn.relu(normalized(params, x)), params["last"])

    return apply


def left(groups, size, dead):
    """The channels that are left without rows or columns of (groups, size)."""
    stays = np.ones((groups, size), bool)
    if "groups" in dead:
        stays[1::2] = False
    if "channels" in dead:
        stays[:, 1] = False
    return np.flatnonzero(stays)


SIZES = [(2, 4), (4, 2), (3, 3), (16, 2)]
CASES = [
    (norm, sizes, dead)
    for norm in (in_flax, by_hand)
    for sizes in SIZES
    for dead in ("groups", "channels", "groups and channels")
]


@pytest.mark.parametrize(
    "case",
    usual(CASES, [(in_flax, (4, 2), "groups"), (in_flax, (3, 3), "groups and channels")]),
)
@pytest.mark.usefixtures("double")
def test_groups_and_channels_go(case):
    norm, sizes, dead = case
    kept, apply = left(*sizes, dead), norm(*sizes)
    gone = np.delete(np.arange(np.prod(sizes)), kept)
    params = drawn(*sizes)
    for name in MADE:
        params[name][..., gone] = 0
    params = {name: jnp.asarray(leaf) for name, leaf in params.items()}
    small = sgl.compact(apply, params, X)
    for name in MADE:
        np.testing.assert_array_equal(small.params[name], params[name][..., kept])
    np.testing.assert_array_equal(small.params["last"], params["last"][:, :, kept])
    x = np.random.default_rng(1).standard_normal((1, 4, 2, 2))
    np.testing.assert_allclose(small.apply(small.params, x), apply(params, x), rtol=0, atol=1e-12)
    found, full = gradient(small.apply, x)(small.params), gradient(apply, x)(params)
    np.testing.assert_allclose(found["kernel"], full["kernel"][..., kept], rtol=0, atol=1e-10)
    np.testing.assert_allclose(found["last"], full["last"][:, :, kept], rtol=0, atol=1e-12)


@pytest.mark.usefixtures("double")
def test_dead_group_that_is_constant_is_folded():
    apply = in_flax(4, 2)
    params = drawn(4, 2) | {"shift": np.zeros(3)}
    for name in ("kernel", "bias"):
        params[name][..., 2:4] = 0
    params = {name: jnp.asarray(leaf) for name, leaf in params.items()}

    def shifted(params, x):
        return apply(params, x) + along(params["shift"])

    small = sgl.compact(shifted, params, X)
    assert small.report.folded == ("shift",)
    assert small.params["norm_bias"].shape == (6,)
    np.testing.assert_allclose(small.apply(small.params, X), shifted(params, X), rtol=0, atol=1e-12)


def test_channels_of_different_places_in_their_groups_stay():
    params = drawn(2, 4)
    for name in MADE:
        params[name][..., [0, 5]] = 0
    params = {name: jnp.asarray(leaf, jnp.float32) for name, leaf in params.items()}
    report = sgl.compact(in_flax(2, 4), params, jnp.asarray(X, jnp.float32)).report
    assert not report.shapes
    assert re.match("2 of .*: reshape at .* can only lose whole rows and col", report.staying[0])


@pytest.mark.parametrize(("sizes", "count"), [((4, 2), 4), ((2, 4), 4), ((16, 2), 16)])
def test_channel_groups_are_those_of_the_longer_factor(sizes, count):
    x = jnp.asarray(X, jnp.float32)
    groups = sgl.channel_groups(in_flax(*sizes), drawn(*sizes), x).groups
    (family,) = groups
    assert family.count == count
    assert {member.path for member in family.members} == set(MADE)


def test_module_loses_whole_groups():
    class Net(nnx.Module):
        def __init__(self):
            rngs = nnx.Rngs(0)
            self.first = nnx.Conv(2, 16, (1, 1), rngs=rngs)
            self.norm = nnx.GroupNorm(16, num_groups=8, rngs=rngs)
            self.last = nnx.Conv(16, 2, (1, 1), rngs=rngs)

        def __call__(self, x):
            return self.last(nnx.relu(self.norm(self.first(x))))

    net = Net()
    for leaf in (net.first.kernel, net.first.bias, net.norm.scale, net.norm.bias):
        leaf[...] = leaf[...].at[..., 4:6].set(0).at[..., 10:14].set(0)
    small = sgl.compact_module(net, jnp.asarray(X, jnp.float32)).module
    assert small.first.kernel.shape == (1, 1, 2, 10)
    assert small.norm.num_groups == 5


@pytest.mark.usefixtures("double")
def test_repeated_channels_go_with_all_of_their_copies():
    def apply(params, x):
        return jnp.repeat(x @ params["a"], 3, axis=-1) * along(params["scale"]) @ params["b"]

    params = {"a": np.ones((2, 4)), "scale": np.ones(12), "b": np.ones((12, 2))}
    params["a"][:, 1] = 0
    params["scale"][2::3] = 0
    params = {name: jnp.asarray(leaf) for name, leaf in params.items()}
    small = sgl.compact(apply, params, X)
    assert small.params["a"].shape == (2, 3)
    assert small.params["scale"].shape == (6,)
    assert small.params["b"].shape == (6, 2)
    assert [m.path for m in sgl.channel_groups(apply, params, X).groups.families[0].members] == [
        "a",
        "scale",
    ]
