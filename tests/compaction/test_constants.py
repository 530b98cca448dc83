"""Channels that carry a constant: folded where that is exact, kept with the reason where not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sgl_jax as sgl


LAYOUT = "NHWC", "HWIO", "NHWC"
X = jax.random.normal(jax.random.key(1), (2, 6, 6, 2))


def conv(x, kernel, padding="VALID", **options):
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), padding, dimension_numbers=LAYOUT, **options
    )


def per_channel(leaf):
    return leaf.reshape(1, 1, 1, -1)


def drawn(size=3, reads=4, **more):
    """Two convolutions; of the four channels between them one is dead, but for its bias."""
    generator = np.random.default_rng(0)
    draw = lambda *shape: jnp.asarray(generator.standard_normal(shape), np.float32)  # noqa: E731
    params = {
        "first": draw(3, 3, 2, 4).at[..., 1].set(0),
        "bias": draw(4).at[1].set(0.7),
        "second": draw(size, size, reads, 3),
        "last": draw(3),
    }
    return params | {
        name: draw(*leaf) if isinstance(leaf, tuple) else leaf for name, leaf in more.items()
    }


def compacted(apply, params, x=X):
    small = sgl.compact(apply, params, x, strict=True)
    again = sgl.compact(small.apply, small.params, x)
    assert not again.report.shapes, "a second call finds nothing"
    return small


def front(params, x, activation=jax.nn.relu):
    return activation(conv(x, params["first"]) + per_channel(params["bias"]))


def back(params, x, padding="VALID"):
    return conv(x, params["second"], padding) + per_channel(params["last"])


def folds(apply, params, width=3, into=("last",), x=X):
    small = compacted(apply, params, x)
    assert small.params["first"].shape == (3, 3, 2, width)
    assert small.report.folded == into
    assert not small.report.kept
    for name in into:
        assert not np.allclose(small.params[name], params[name])
    return small


def stays(apply, params, why, x=X):
    small = compacted(apply, params, x)
    assert not small.report.shapes
    assert not small.report.folded
    (sentence,) = small.report.kept
    assert sentence.startswith("1 of bias: ")
    assert why in sentence
    assert sentence in str(small.report)


def test_constant_goes_into_the_next_bias():
    folds(lambda params, x: back(params, front(params, x)), drawn())


def test_constant_stays_before_padding():
    why = "conv_general_dilated at "
    stays(lambda params, x: back(params, front(params, x), "SAME"), drawn(), why)


def test_constant_goes_before_padding_of_a_single_pixel():
    folds(lambda params, x: back(params, front(params, x), "SAME"), drawn(1))


@pytest.mark.parametrize("bias", [0.0, -0.7])
def test_zero_goes_before_padding(bias):
    params = drawn()
    params["bias"] = params["bias"].at[1].set(bias)
    folds(lambda params, x: back(params, front(params, x), "SAME"), params, into=())


def test_constant_that_the_activation_makes_goes():
    params = drawn()
    params["bias"] = params["bias"].at[1].set(0)
    folds(lambda params, x: back(params, front(params, x, jax.nn.softplus)), params)


def test_shift_of_a_norm_is_a_constant():
    def apply(params, x):
        x = conv(x, params["first"])
        x = (x - per_channel(params["mean"])) * jax.lax.rsqrt(per_channel(params["var"]))
        x = x * per_channel(params["scale"]) + per_channel(params["bias"])
        return back(params, jnp.tanh(x))

    params = drawn(mean=(4,), var=jnp.full(4, 2.0), scale=(4,))
    small = folds(apply, params)
    assert small.params["mean"].shape == (3,)
    live = params | {
        "first": params["first"].at[..., 1].set(1),
        "scale": params["scale"].at[1].set(0),
    }
    folds(apply, live)


def test_constant_goes_into_the_mean_of_the_next_norm():
    def apply(params, x):
        x = conv(front(params, x), params["second"]) - per_channel(params["mean"])
        return x * per_channel(params["scale"]) + per_channel(params["last"])

    folds(apply, drawn(mean=(3,), scale=(3,)), into=("mean",))


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
        folds(apply, drawn(2))
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
    folds(apply, params)


def test_constant_goes_through_a_depthwise_convolution():
    def apply(params, x):
        x = conv(front(params, x), params["depthwise"], "VALID", feature_group_count=4)
        return back(params, jnp.tanh(x))

    folds(apply, drawn(2, depthwise=(3, 3, 1, 4)))


def test_constant_goes_where_a_depthwise_convolution_ends_it():
    def apply(params, x):
        x = conv(front(params, x), params["depthwise"], "SAME", feature_group_count=4)
        return back(params, jnp.tanh(x), "SAME")

    depthwise = jnp.ones((3, 3, 1, 4)).at[..., 1].set(0)
    folds(apply, drawn(depthwise=depthwise), into=())


def test_sum_of_two_constants_is_one():
    def apply(params, x):
        left = front(params, x)
        right = conv(x, params["beside"]) + per_channel(params["bias2"])
        return back(params, left + right)

    beside = jnp.ones((3, 3, 2, 4)).at[..., :2].set(0)
    params = drawn(beside=beside, bias2=(4,))
    small = folds(apply, params)
    assert small.params["beside"].shape == (3, 3, 2, 3), "goes only where both are constant"
    cancelled = params | {"bias2": params["bias2"].at[1].set(-0.7)}
    folds(apply, cancelled, into=())


def test_constants_beside_each_other_go_on_their_own():
    def apply(params, x):
        x = jnp.concatenate([front(params, x), jnp.tanh(conv(x, params["beside"]))], axis=-1)
        return back(params, x)

    beside = jnp.ones((3, 3, 2, 3)).at[..., 2].set(0)
    small = folds(apply, drawn(reads=7, beside=beside))
    assert small.params["beside"].shape == (3, 3, 2, 2)
    assert small.params["second"].shape == (3, 3, 5, 3)


def no_bias(params, x):
    return conv(front(params, x), params["second"]) * per_channel(params["last"])


def bias_used_twice(params, x):
    return back(params, front(params, x)) + per_channel(params["last"])


def bias_given_back(params, x):
    return back(params, front(params, x)), params["last"]


def sum_used_twice(params, x):
    x = conv(front(params, x), params["second"])
    return x + per_channel(params["last"]), x


def activation_first(params, x):
    return jnp.tanh(conv(front(params, x), params["second"])) + per_channel(params["last"])


def subtracted(params, x):
    return per_channel(params["last"]) - conv(front(params, x), params["second"])


@pytest.mark.parametrize(
    "apply",
    [no_bias, bias_used_twice, bias_given_back, sum_used_twice, activation_first, subtracted],
)
def test_constant_stays_where_nothing_can_take_it_up(apply):
    stays(apply, drawn(), "no bias follows conv_general_dilated at ")


def test_constant_stays_in_a_sum_without_weights():
    def apply(params, x):
        return front(params, x).sum(axis=-1)

    stays(apply, {k: v for k, v in drawn().items() if k in ("first", "bias")}, "without weights")


def test_constant_stays_before_a_transposed_convolution():
    def apply(params, x):
        x = jax.lax.conv_transpose(front(params, x), params["second"], (2, 2), "VALID")
        return x + per_channel(params["last"])

    stays(apply, drawn(), "pads it")


def test_constant_stays_where_each_sum_has_a_matrix_of_its_own():
    """The bias is one for all, but what would have to go into it is not."""

    def apply(params, x):
        x = jax.nn.relu(x @ params["first"] + params["bias"][None])
        x = jnp.broadcast_to(x[None], (2, *x.shape))
        x = jnp.einsum("gbc,gco->gbo", x, params["second"])
        return x + params["last"][None, None]

    generator = np.random.default_rng(2)
    shapes = {"first": (3, 4), "bias": (4,), "second": (2, 4, 5), "last": (5,)}
    params = {k: jnp.asarray(generator.standard_normal(s), np.float32) for k, s in shapes.items()}
    params["first"], params["bias"] = params["first"].at[:, 1].set(0), jnp.ones(4)
    stays(apply, params, "multiplies it with no known matrix", jnp.ones((2, 3)))


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
