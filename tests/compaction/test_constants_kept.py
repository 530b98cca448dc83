"""Channels that carry a constant and stay, each with the reason."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.two_convolutions import assert_stays, back, conv, drawn, front, per_channel


def test_constant_stays_before_padding():
    why = "conv_general_dilated at "
    assert_stays(lambda params, x: back(params, front(params, x), "SAME"), drawn(), why)


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
    assert_stays(apply, drawn(), "no bias follows conv_general_dilated at ")


def test_constant_stays_in_a_sum_without_weights():
    def apply(params, x):
        return front(params, x).sum(axis=-1)

    assert_stays(
        apply, {k: v for k, v in drawn().items() if k in ("first", "bias")}, "without weights"
    )


def test_constant_stays_before_a_transposed_convolution():
    def apply(params, x):
        x = jax.lax.conv_transpose(front(params, x), params["second"], (2, 2), "VALID")
        return x + per_channel(params["last"])

    assert_stays(apply, drawn(), "pads it")


def test_constant_stays_where_each_sum_has_a_matrix_of_its_own():
    """The bias is one for all, but the constants that it would take up are not."""

    def apply(params, x):
        x = jax.nn.relu(x @ params["first"] + params["bias"][None])
        x = jnp.broadcast_to(x[None], (2, *x.shape))
        x = jnp.einsum("gbc,gco->gbo", x, params["second"])
        return x + params["last"][None, None]

    generator = np.random.default_rng(2)
    shapes = {"first": (3, 4), "bias": (4,), "second": (2, 4, 5), "last": (5,)}
    params = {k: jnp.asarray(generator.standard_normal(s), np.float32) for k, s in shapes.items()}
    params["first"], params["bias"] = params["first"].at[:, 1].set(0), jnp.ones(4)
    assert_stays(apply, params, "multiplies it with no known matrix", jnp.ones((2, 3)))
