"""Channels of zeros go before a norm by the mean of squared distances from the mean."""

import functools
import re

import equinox as eqx
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from support.tiers import usual
from support.two_layers import assert_close

import sgl_jax as sgl


pytestmark = pytest.mark.usefixtures("double", "standard_promotion")

WIDTH, DEAD = 8, (0, 1, 4)
X = np.random.default_rng(0).standard_normal((2, 4, 3))
MADE = "kernel", "bias", "scale", "shift"


def drawn(dead=DEAD, dtype=float):
    """A layer, a norm and a layer; some channels are zero before the norm and behind it."""
    generator = np.random.default_rng(1)
    shapes = {"kernel": (3, WIDTH), "last": (WIDTH, 2), **dict.fromkeys(MADE[1:], (WIDTH,))}
    params = {name: generator.standard_normal(shape) for name, shape in shapes.items()}
    for name in MADE:
        params[name][..., list(dead)] = 0.0
    return {name: jnp.asarray(leaf, dtype) for name, leaf in params.items()}


def along(channels):
    return channels[None, None]


def affine(h, scale, shift):
    return h * along(scale) + along(shift)


def network(norm):
    """A network with a norm, which takes scale, shift and (batch, time, channels)."""

    def apply(params, x):
        hidden = x @ params["kernel"] + along(params["bias"])
        hidden = norm(params["scale"], params["shift"], hidden)
        return jax.nn.relu(hidden) @ params["last"]

    return apply


def assert_removed(apply, params, dead=DEAD):
    """Asserts that the dead channels are gone, and that outputs and gradients are as before."""
    small, x = sgl.compact(apply, params, X), np.random.default_rng(2).standard_normal((3, 5, 3))
    expected = {name: np.delete(params[name], dead, axis=-1) for name in MADE}
    expected["last"] = np.delete(params["last"], dead, axis=0)
    assert_close(small.params, {**params, **expected}, rtol=0)
    assert small.report.staying == ()
    assert_same(small, apply, params, x)


def assert_same(small, apply, params, x):
    """Asserts that outputs are the same, and gradients slices of those of the full network."""

    @functools.partial(jax.jit, static_argnums=0)
    def answers(apply, params):
        outputs, back = jax.vjp(lambda params: apply(params, x), params)
        return outputs, back(jnp.cos(outputs))[0]

    outputs, gradients = answers(apply, params)
    found = answers(small.apply, small.params)
    assert_close(found[0], outputs, rtol=1e-12)
    assert_close(found[1], small.shrink(gradients), rtol=1e-11)


def by_hand(variance, axis=-1):
    def norm(scale, shift, h):
        h = jnp.moveaxis(h, -1, axis)
        mean = h.mean(axis, keepdims=True)
        h = (h - mean) * jax.lax.rsqrt(variance(h, mean, axis) + 1e-6)
        return affine(jnp.moveaxis(h, axis, -1), scale, shift)

    return norm


def by_squares(h, mean, axis):
    return ((h - mean) ** 2).mean(axis, keepdims=True)


def by_product(h, mean, axis):
    distance = h - mean
    found = jnp.vecdot(distance, distance, axis=axis) / h.shape[axis]
    return jnp.expand_dims(found, axis)


def by_repeated_mean(h, mean, axis):
    return jnp.square(jnp.broadcast_to(mean, h.shape) - h).mean(axis, keepdims=True)


def numpys(h, mean, axis, **options):
    return jnp.var(h, axis, keepdims=True, **options)


def of_some(h, mean, axis):
    return numpys(h, mean, axis, where=jnp.abs(mean) > 0)


def unbiased(h, mean, axis):
    return jnp.std(h, axis, keepdims=True, ddof=1) ** 2


def by_magnitude(h, mean, axis):
    return jnp.abs(h - mean).mean(axis, keepdims=True)


def standardized(scale, shift, h):
    return affine(jax.nn.standardize(h, variance=numpys(h, None, -1)), scale, shift)


def rematerialized(scale, shift, h):
    return jax.checkpoint(by_hand(numpys))(scale, shift, h)


@jax.custom_vjp
def with_own_rule(scale, shift, h):
    return by_hand(numpys)(scale, shift, h)


with_own_rule.defvjp(
    lambda *inputs: (with_own_rule(*inputs), inputs),
    lambda inputs, change: jax.vjp(by_hand(numpys), *inputs)[1](change),
)

NORMS = {
    "squares": by_hand(by_squares),
    "product": by_hand(by_product),
    "repeated mean": by_hand(by_repeated_mean),
    "jnp.var": by_hand(numpys),
    "jnp.std": by_hand(unbiased),
    "where": by_hand(of_some),
    "magnitude": by_hand(by_magnitude),
    "first axis": by_hand(numpys, axis=0),
    "standardize": standardized,
    "rematerialized": rematerialized,
    "own rule": with_own_rule,
}


@pytest.mark.parametrize("name", usual(NORMS, ["squares", "product", "own rule"]))
def test_channels_go_before_a_norm_by_hand(name):
    assert_removed(network(NORMS[name]), drawn())


def equinox_layer_norm(scale, shift, h):
    layer = eqx.nn.LayerNorm(WIDTH)
    layer = eqx.tree_at(lambda layer: (layer.weight, layer.bias), layer, (scale, shift))
    return jax.vmap(jax.vmap(layer))(h)


def haiku_layer_norm(scale, shift, h):
    layer = hk.transform(lambda h: hk.LayerNorm(-1, True, True)(h))
    return layer.apply({"layer_norm": {"scale": scale, "offset": shift}}, None, h)


def linen_layer_norm(scale, shift, h):
    return linen.LayerNorm(use_fast_variance=False).apply(
        {"params": {"scale": scale, "bias": shift}}, h
    )


def nnx_layer_norm(scale, shift, h):
    layer = nnx.LayerNorm(WIDTH, use_fast_variance=False, rngs=nnx.Rngs(0), param_dtype=float)
    layer.scale[...], layer.bias[...] = scale, shift
    return layer(h)


LAYER_NORMS = [equinox_layer_norm, haiku_layer_norm, linen_layer_norm, nnx_layer_norm]


@pytest.mark.parametrize("norm", usual(LAYER_NORMS, LAYER_NORMS[:2]))
def test_channels_go_before_a_layer_norm(norm):
    assert_removed(network(norm), drawn())


def equinox_group_norm(scale, shift, h):
    layer = eqx.nn.GroupNorm(2, WIDTH)
    layer = eqx.tree_at(lambda layer: (layer.weight, layer.bias), layer, (scale, shift))
    return jax.vmap(layer)(h.swapaxes(1, 2)).swapaxes(1, 2)


def haiku_group_norm(scale, shift, h):
    layer = hk.transform(lambda h: hk.GroupNorm(2)(h))
    return layer.apply({"group_norm": {"scale": scale, "offset": shift}}, None, h)


def linen_group_norm(scale, shift, h):
    return linen.GroupNorm(2, use_fast_variance=False).apply(
        {"params": {"scale": scale, "bias": shift}}, h
    )


GROUP_NORMS = [equinox_group_norm, haiku_group_norm, linen_group_norm]


@pytest.mark.parametrize("dead", usual([(1, 5), (4, 5, 6, 7)], [(1, 5)]))
@pytest.mark.parametrize("norm", usual(GROUP_NORMS, GROUP_NORMS[:1]))
def test_channels_and_groups_go_before_a_group_norm(norm, dead):
    """One channel of either group, or a whole group."""
    assert_removed(network(norm), drawn(dead), dead)


def test_groups_of_channels_are_removed_once_they_are_zero():
    apply = network(NORMS["jnp.var"])
    (family,) = sgl.channel_groups(apply, drawn(()), X).groups
    assert {member.path for member in family.members} == set(MADE)
    assert family.count == WIDTH
    assert_removed(apply, drawn((2, 3)), (2, 3))


@pytest.mark.parametrize("dtype", usual([jnp.bfloat16, jnp.float16], [jnp.bfloat16]))
def test_half_precision_is_summed_as_in_the_full_network(dtype):
    params, x = drawn(dtype=dtype), jnp.asarray(X, dtype)
    params["bias"] = jnp.where(params["bias"] == 0, 0, params["bias"] + 4)
    apply = network(NORMS["jnp.var"])
    small = sgl.compact(apply, params, x)
    assert small.params["kernel"].shape == (3, 5)
    found = small.apply(small.params, x)
    assert found.dtype == dtype
    assert_close(found, apply(params, x), rtol=2 * float(jnp.finfo(dtype).eps))


def test_channels_go_from_a_residual_stream_of_scanned_layers():
    def apply(params, x):
        def layer(h, kernel):
            normed = NORMS["jnp.var"](params["scale"], params["shift"], h)
            return h + jax.nn.gelu(normed @ kernel) @ kernel.T, None

        h = jax.lax.scan(layer, x @ params["kernel"] + along(params["bias"]), params["layers"])[0]
        return jax.nn.relu(h) @ params["last"]

    params = drawn()
    layers = np.random.default_rng(3).standard_normal((3, WIDTH, 5))
    layers[:, list(DEAD)] = 0.0
    params["layers"] = jnp.asarray(layers)
    small = sgl.compact(apply, params, X)
    assert small.params["layers"].shape == (3, 5, 5)
    assert small.params["kernel"].shape == (3, 5)
    assert_same(small, apply, params, X)


def test_channel_of_zeros_stays_where_it_is_not_zero_behind_the_norm():
    """The scale multiplies what is left of it without the mean."""
    params = drawn((3,)) | {"scale": drawn(())["scale"]}
    small = sgl.compact(network(NORMS["jnp.var"]), params, X)
    assert small.report.shapes == {}
    (why,) = small.report.staying
    assert re.search(r"1 of shift: sub at .*norm\) may make it other than zero", why)


def test_channel_that_is_zero_behind_the_norm_alone_stays():
    params = drawn(()) | {name: drawn((3,))[name] for name in ("scale", "shift")}
    small = sgl.compact(network(NORMS["jnp.var"]), params, X)
    assert small.report.shapes == {}
    assert small.report.staying == ()


def test_sums_of_constants_that_are_no_zeros_have_their_terms():
    def softmax(scale, shift, h):
        h = jnp.exp(h)
        return affine(h / h.sum(-1, keepdims=True), scale, shift)

    assert_removed(network(softmax), drawn())


def test_constants_are_added_once_where_a_bias_could_take_them_up():
    def apply(params, x):
        h = x @ params["kernel"] + 1.0
        return jax.nn.relu(h) @ params["last"], h @ jnp.full((WIDTH, 2), 0.5) + along(params["end"])

    params = {name: drawn()[name] for name in ("kernel", "last")}
    params |= {"last": params["last"].at[np.array(DEAD)].set(0.0), "end": jnp.ones(2)}
    small = sgl.compact(apply, params, X)
    assert small.params["kernel"].shape == (3, 5)
    np.testing.assert_array_equal(small.params["end"], params["end"])


@pytest.mark.parametrize("axis", usual([0, 1], [0]))
def test_one_axis_of_a_sum_over_two_loses_positions(axis):
    """Without rows and columns the distances of what is left would be summed three times."""

    def apply(params, x):
        h = jnp.einsum("bi,itc->btc", x, params["kernel"])
        distances = (h - h.mean((1, 2), keepdims=True)) ** 2
        return jnp.einsum("btc,tco->bo", h, params["last"]) / distances.mean((1, 2))[:, None]

    generator = np.random.default_rng(4)
    kernel, last = generator.standard_normal((3, 4, 5)), generator.standard_normal((4, 5, 2))
    kernel[:, 1], kernel[:, :, 2] = 0.0, 0.0
    if axis:
        kernel[:, 1, 0] = 1.0
    params = {"kernel": jnp.asarray(kernel), "last": jnp.asarray(last)}
    small = sgl.compact(apply, params, X[0])
    assert small.params["kernel"].shape == ((3, 4, 4) if axis else (3, 3, 5))
    assert len(small.report.staying) == 1 - axis
    assert_same(small, apply, params, X[0])
