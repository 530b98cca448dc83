"""A compacted network is differentiated like the one it is from."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.networks import DEEP, NETWORKS, kill, sparing
from support.two_layers import X, assert_close, between, drawn, gradient

import sgl_jax as sgl
from sgl_jax._util.pytree import flatten_by_path


@jax.custom_vjp
def rounded(x):
    return jnp.round(4 * x) / 4


rounded.defvjp(lambda x: (rounded(x), x), lambda x, g: (jnp.where(jnp.abs(x) < 1, g, 0.0),))


@jax.custom_vjp
def quantised(x, levels):
    levels = levels.astype(x.dtype)
    return jnp.round(levels * x) / levels


quantised.defvjp(lambda x, levels: (quantised(x, levels), None), lambda _, g: (g, None))


@jax.custom_jvp
def leaky(x, slope):
    return jnp.where(x > 0, x, slope * x)


@leaky.defjvp
def leaky_jvp(primals, tangents):
    return leaky(*primals), 3.0 * tangents[0] * jnp.arange(5.0)[None].shape[1]


def mixed(x):
    """Functions inside of functions, one of them twice."""
    inner = jax.jit(lambda x, y: rounded(x) * jax.nn.relu(y))
    return jax.checkpoint(lambda x: inner(x, x) + inner(jnp.tanh(x), x))(x)


ACTIVATIONS = {
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
    "rounded": rounded,
    "quantised": lambda x: quantised(x, jnp.asarray(8)),
    "own rule and a literal": lambda x: leaky(x, 0.1),
    "checkpoint": jax.checkpoint(lambda x: jnp.sin(jax.nn.relu(x))),
    "mixed": mixed,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gradient_is_the_slice_of_the_gradient(name):
    apply, params = between(ACTIVATIONS[name]), drawn()
    x = X.at[0].set(0)  # relu has the gradient 0 there, the largest of x and 0 has 0.5
    small = sgl.compact(apply, params, x, strict=True)
    assert small.params["a"].shape == (3, 4)
    assert_close(gradient(small.apply, x)(small.params), small.shrink(gradient(apply, x)(params)))
    compiled = jax.jit(gradient(small.apply, x))(small.params)
    assert_close(compiled, small.shrink(gradient(apply, x)(params)))
    to_inputs = jax.grad(lambda x: small.apply(small.params, x).sum())(x)
    assert_close(to_inputs, jax.grad(lambda x: apply(params, x).sum())(x))


def test_rule_that_needs_what_is_removed_is_refused():
    @jax.custom_vjp
    def normed(x):
        return jnp.tanh(x)

    normed.defvjp(lambda x: (normed(x), None), lambda _, g: (g / jnp.max(g, 1, keepdims=True),))
    small = sgl.compact(between(normed), drawn(), X)
    assert small.apply(small.params, X).shape == (4, 2)
    with pytest.raises(
        ValueError, match=r"rule of differentiation of custom_vjp_call at .* protect"
    ):
        gradient(small.apply, X)(small.params)
    whole = sgl.compact(between(normed), drawn(), X, protect="a")
    gradient(whole.apply, X)(whole.params)


def is_floating(leaf):
    return jnp.issubdtype(leaf.dtype, jnp.floating)


ADAM = optax.masked(optax.adam(0.01, eps=1.0), lambda tree: jax.tree.map(is_floating, tree))
"""Without Adam's steep slope at a gradient of zero."""


@pytest.fixture
def double():
    """Double precision, in which gradients that cancel are rounding errors of float64."""
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        yield


def stepped(apply, x, params, state):
    """The gradient of a loss, and parameters and state after a step of Adam."""
    gradient = jax.grad(lambda params: jnp.sum(apply(params, x) ** 2), allow_int=True)(params)
    gradient = jax.tree.map(
        lambda g, w: g if is_floating(w) else jnp.zeros_like(w), gradient, params
    )
    updates, state = ADAM.update(gradient, state, params)
    return gradient, optax.apply_updates(params, updates), state


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", sparing([n for n in NETWORKS if n not in DEEP], ["mobilenet", "linen_lenet5"])
)
def test_networks_their_gradients_and_steps_are_slices(name, double):
    spec = NETWORKS[name]
    apply, params = spec.build()
    params, _ = kill(spec, params, seed=1, share=0.5)
    params = jax.tree.map(lambda w: w.astype(float) if is_floating(w) else w, params)
    x = spec.inputs(2, seed=1, dtype=float)
    small, state = sgl.compact(apply, params, x, strict=True), ADAM.init(params)
    assert small.report.error <= 1e-12 * small.report.scale
    full = jax.jit(functools.partial(stepped, apply, x))(params, state)
    narrow = jax.jit(functools.partial(stepped, small.apply, x))
    found = narrow(small.params, small.shrink(state))
    found, _ = flatten_by_path(found)
    expected, _ = flatten_by_path(tuple(map(small.shrink, full)))
    assert list(found) == list(expected)
    for path, leaf in expected.items():
        assert found[path].dtype == leaf.dtype
        np.testing.assert_allclose(found[path], leaf, rtol=1e-9, atol=1e-12, err_msg=path)


def test_hessian_is_the_slice_of_the_hessian():
    apply, params = between(jax.nn.silu), drawn()
    small = sgl.compact(apply, params, X)

    def curvature(apply, params):
        """The Hessian times a vector."""
        vector = jax.tree.map(jnp.cos, params)
        return jax.jvp(gradient(apply, X), (params,), (vector,))[1]

    found, full = curvature(small.apply, small.params), curvature(apply, params)
    for name in "bc":
        assert found[name].shape == small.shrink(full)[name].shape
    live = jax.tree.map(jnp.zeros_like, params) | {"c": jnp.cos(params["c"])}
    expected = small.shrink(jax.jvp(gradient(apply, X), (params,), (live,))[1])
    narrow = jax.jvp(gradient(small.apply, X), (small.params,), (small.shrink(live),))[1]
    assert_close(narrow, expected)


def test_compiled_and_eager_calls_take_turns():
    """Nothing of a trace is kept for the next call, constants of rules neither."""
    factors = np.arange(1, 6, dtype=np.float32)

    @jax.custom_jvp
    def scaled(x):
        return jnp.tanh(x)

    @scaled.defjvp
    def rule(primals, tangents):
        return scaled(*primals), tangents[0] * jnp.asarray(factors)[None]

    apply, params = between(scaled), drawn()
    small = sgl.compact(apply, params, X)
    expected = small.shrink(gradient(apply, X)(params))
    for wrap in (jax.jit, lambda f: f, jax.jit):
        assert_close(wrap(gradient(small.apply, X))(small.params), expected)
