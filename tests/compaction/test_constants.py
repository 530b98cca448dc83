"""Channels that carry a constant and go: a bias takes it up, or nothing reads it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.two_convolutions import assert_folds, back, compacted, conv, drawn, front, per_channel

import sgl_jax as sgl


def test_constant_goes_into_the_next_bias():
    assert_folds(lambda params, x: back(params, front(params, x)), drawn())


def test_constant_goes_before_padding_of_a_single_pixel():
    assert_folds(lambda params, x: back(params, front(params, x), "SAME"), drawn(1))


@pytest.mark.parametrize("bias", [0.0, -0.7])
def test_zero_goes_before_padding(bias):
    params = drawn()
    params["bias"] = params["bias"].at[1].set(bias)
    assert_folds(lambda params, x: back(params, front(params, x), "SAME"), params, into=())


def test_constant_that_the_activation_makes_goes():
    params = drawn()
    params["bias"] = params["bias"].at[1].set(0)
    assert_folds(lambda params, x: back(params, front(params, x, jax.nn.softplus)), params)


def test_shift_of_a_norm_is_a_constant():
    def apply(params, x):
        x = conv(x, params["first"])
        x = (x - per_channel(params["mean"])) * jax.lax.rsqrt(per_channel(params["var"]))
        x = x * per_channel(params["scale"]) + per_channel(params["bias"])
        return back(params, jnp.tanh(x))

    params = drawn(mean=(4,), var=jnp.full(4, 2.0), scale=(4,))
    small = assert_folds(apply, params)
    assert small.params["mean"].shape == (3,)
    live = params | {
        "first": params["first"].at[..., 1].set(1),
        "scale": params["scale"].at[1].set(0),
    }
    assert_folds(apply, live)


def test_constant_goes_into_the_mean_of_the_next_norm():
    def apply(params, x):
        x = conv(front(params, x), params["second"]) - per_channel(params["mean"])
        return x * per_channel(params["scale"]) + per_channel(params["last"])

    assert_folds(apply, drawn(mean=(3,), scale=(3,)), into=("mean",))


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("padding", ["VALID", "SAME"])
def test_constant_goes_through_pooling(largest, padding):
    def apply(params, x):
        start, join = (-np.inf, jax.lax.max) if largest else (0.0, jax.lax.add)
        x = jax.lax.reduce_window(
            front(params, x), start, join, (1, 3, 3, 1), (1, 1, 1, 1), padding
        )
        return conv(x / 9, params["second"]) + per_channel(params["last"])

    if largest or padding == "VALID":
        assert_folds(apply, drawn(2))
    else:  # sums over padding are other numbers at the border
        assert not compacted(apply, drawn()).report.shapes


@pytest.mark.parametrize("flat", [True, False])
def test_constant_goes_into_the_bias_of_a_dense_layer(flat):
    def apply(params, x):
        x = front(params, x)
        x = x.reshape(len(x), -1) if flat else x.mean(axis=(1, 2))
        return x @ params["dense"] + params["last"][None]

    params = drawn(dense=(64 if flat else 4, 3))
    del params["second"]
    assert_folds(apply, params)


def test_constant_goes_through_a_depthwise_convolution():
    def apply(params, x):
        x = conv(front(params, x), params["depthwise"], "VALID", feature_group_count=4)
        return back(params, jnp.tanh(x))

    assert_folds(apply, drawn(2, depthwise=(3, 3, 1, 4)))


def test_constant_goes_where_a_depthwise_convolution_ends_it():
    def apply(params, x):
        x = conv(front(params, x), params["depthwise"], "SAME", feature_group_count=4)
        return back(params, jnp.tanh(x), "SAME")

    depthwise = jnp.ones((3, 3, 1, 4)).at[..., 1].set(0)
    assert_folds(apply, drawn(depthwise=depthwise), into=())


def test_sum_of_two_constants_is_one():
    def apply(params, x):
        left = front(params, x)
        right = conv(x, params["beside"]) + per_channel(params["bias2"])
        return back(params, left + right)

    beside = jnp.ones((3, 3, 2, 4)).at[..., :2].set(0)
    params = drawn(beside=beside, bias2=(4,))
    small = assert_folds(apply, params)
    assert small.params["beside"].shape == (3, 3, 2, 3), "goes only where both are constant"
    cancelled = params | {"bias2": params["bias2"].at[1].set(-0.7)}
    assert_folds(apply, cancelled, into=())


def test_constants_beside_each_other_go_on_their_own():
    def apply(params, x):
        x = jnp.concatenate([front(params, x), jnp.tanh(conv(x, params["beside"]))], axis=-1)
        return back(params, x)

    beside = jnp.ones((3, 3, 2, 3)).at[..., 2].set(0)
    small = assert_folds(apply, drawn(reads=7, beside=beside))
    assert small.params["beside"].shape == (3, 3, 2, 2)
    assert small.params["second"].shape == (3, 3, 5, 3)


def test_embedding_that_is_the_same_for_every_word_is_a_constant():
    def apply(params, words, mode=None):
        return jnp.tanh(params["table"].at[words].get(**dict(mode or {}))) @ params["last"]

    generator = np.random.default_rng(3)
    table = jnp.asarray(generator.standard_normal((6, 4)), np.float32).at[:, 2].set(0)
    params = {"table": table, "last": jnp.asarray(generator.standard_normal((4, 2)), np.float32)}
    words = jnp.array([0, 5, 3])
    assert sgl.compact(apply, params, words).params["table"].shape == (6, 3)

    def padded(params, words):
        return apply(params, words, {"mode": "fill", "fill_value": 0.5})

    assert not sgl.compact(padded, params, words).report.shapes, "other words have other numbers"
