"""The binarised activation: its values, its coarse gradient, and what comes of it in a network."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sgl_jax as sgl


X = np.array([-3.0, -0.5, -0.0, 0.0, 1e-30, 0.5, 1.0, 2.0])

COARSE = {
    "clipped": lambda t: ((t > 0) & (t < 1)) * 1.0,
    "identity": np.ones_like,
    "relu": lambda t: (t > 0) * 1.0,
    "sigmoid": lambda t: np.exp(-t) / (1 + np.exp(-t)) ** 2,
}


def test_proxies_are_sorted_and_explained():
    assert [*sgl.models.PROXIES] == sorted(COARSE)
    assert all(f'``"{name}"' in inspect.getdoc(sgl.binary) for name in COARSE)


def test_step_is_one_above_zero_only():
    assert sgl.binary(jnp.asarray(X)).tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert sgl.binary(jnp.asarray(X), signed=True).tolist() == [-1, -1, -1, -1, 1, 1, 1, 1]
    assert sgl.binary(jnp.array([jnp.inf, -jnp.inf])).tolist() == [1, 0]
    assert jnp.isnan(sgl.binary(jnp.array(jnp.nan)))


@pytest.mark.parametrize("proxy", COARSE)
def test_derivative_is_that_of_the_proxy_in_both_modes(proxy, double):
    x, tangent = jnp.asarray(X), jnp.arange(1.0, 9.0)
    values, forward = jax.jvp(lambda x: sgl.binary(x, proxy), (x,), (tangent,))
    _, back = jax.vjp(jax.jit(lambda x: sgl.binary(x, proxy)), x)
    np.testing.assert_allclose(forward, tangent * COARSE[proxy](X), rtol=1e-14)
    np.testing.assert_allclose(back(tangent)[0], forward, rtol=1e-14)
    np.testing.assert_array_equal(values, sgl.binary(x))
    signed = jax.vmap(jax.grad(lambda x: sgl.binary(x, proxy, signed=True)))(x)
    np.testing.assert_allclose(signed, 2 * COARSE[proxy](X), rtol=1e-14)


def test_derivative_is_no_limit_of_differences():
    step = 1e-3
    assert sgl.binary(2.0 + step) - sgl.binary(2.0 - step) == 0
    assert jax.grad(sgl.binary)(2.0) == 1


@pytest.mark.parametrize("proxy", COARSE)
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32, jnp.float64])
def test_dtype_stays(proxy, dtype, double):
    x = jnp.asarray(X, dtype)
    for signed in (False, True):
        found, back = jax.vjp(lambda x: sgl.binary(x, proxy, signed=signed), x)  # noqa: B023
        assert found.dtype == back(found)[0].dtype == dtype


def test_bad_arguments_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="proxy clipped, identity, relu or sigmoid, got 'tanh'"):
        sgl.binary(jnp.ones(2), "tanh")
    with pytest.raises(ValueError, match="floating dtype, got int32"):
        sgl.binary(jnp.arange(3, dtype=jnp.int32))


def test_network_learns_through_it():
    """A layer before the step gets a gradient, by which a linear rule is learned."""
    x = jax.random.normal(jax.random.key(0), (256, 5))
    y = (x @ jnp.array([1.0, -2.0, 0.0, 0.5, 0.0]) > 0).astype(jnp.float32)

    def loss(w):
        return jnp.mean((sgl.binary(x @ w, "sigmoid") - y) ** 2)

    w = jax.random.normal(jax.random.key(1), (5,))
    before, slope = loss(w), jax.jit(jax.grad(loss))
    for _ in range(100):
        w = w - 0.5 * slope(w)
    assert loss(w) < 0.1 * before


@pytest.mark.slow
def test_dead_channels_leave_a_binarised_network():
    keys = jax.random.split(jax.random.key(0), 3)
    params = {
        "a": jax.random.normal(keys[0], (5, 8)).at[:, 3:].set(0),
        "b": jnp.zeros((1, 8)),
        "c": jax.random.normal(keys[1], (8, 2)),
    }

    def apply(params, x):
        return sgl.binary(x @ params["a"] + params["b"], "clipped") @ params["c"]

    x = jax.random.normal(keys[2], (4, 5))
    small = sgl.compact(apply, params, x)
    assert small.params["a"].shape == (5, 3)
    np.testing.assert_array_equal(small.apply(small.params, x), apply(params, x))
    gradient = jax.grad(lambda params: jnp.sum(small.apply(params, x) ** 2))(small.params)
    full = jax.grad(lambda params: jnp.sum(apply(params, x) ** 2))(params)
    np.testing.assert_allclose(gradient["a"], full["a"][:, :3], rtol=1e-6)
