"""Where proximal operators of other libraries were found wrong, NaN or refusing: ours are right.

Each test is of one finding in an audit of jaxopt 0.8.5, nemos 0.2.8, scico 0.0.7, skglm 0.5,
pyproximal 0.13.0, fastprox 1.0.1 and torchao, at the numbers where it was made.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import minima, oracles

import sgl_jax as sgl


pytestmark = pytest.mark.slow

WIDTH = 4.0


@functools.partial(jax.jit, static_argnames="axes")
def prox(penalty, w, step, axes=()):
    return penalty.prox(w, step, axes)


def assert_least(name, w, step, lam, **shape):
    """The prox of every entry costs what the best point of a search does, in float64."""
    with jax.enable_x64(True):
        z = np.asarray(prox(sgl.PENALTIES[name](lam, **shape), jnp.asarray(w, float), step))
    cost = step * oracles.SCALARS[name].phi(np.abs(z), lam, **shape) + (z - w) ** 2 / 2
    np.testing.assert_allclose(cost, minima.least_cost(name, w, step, lam, **shape), rtol=1e-12)
    return z


def leaf_with_a_zero_group(dtype=jnp.float32):
    return jnp.array([[0.0, 0.0], [3.0, -4.0]], dtype)


# jaxopt


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_quadratic_part_is_that_of_the_documented_objective(gamma):
    # jaxopt's ridge returns half of what its objective asks for.
    penalty = sgl.ElasticNet(1e-6, gamma * 1e6)
    np.testing.assert_allclose(prox(penalty, jnp.float32(3.0), 1.0), 3 / (1 + gamma), rtol=1e-5)
    np.testing.assert_allclose(penalty.value(jnp.float32(2.0)), 2 * gamma, rtol=1e-5)
    assert_least("elastic_net", np.float64([3.0]), 1.0, 0.5, gamma=gamma)


@pytest.mark.parametrize("name", oracles.SHAPES)
def test_zero_group_has_value_gradient_and_jacobian_by_all(name):
    # jaxopt: NaN in w and in the strength; scico: NaN in the gradients.
    w, make = leaf_with_a_zero_group(), sgl.PENALTIES[name]

    def both(w, lam, step):
        return make(lam).value(w, (1,)), make(lam).prox(w, step, (1,))

    for mode in (jax.jacfwd, jax.jacrev):
        slopes = jax.jit(mode(both, (0, 1, 2)))(w, 0.5, 0.5)
        assert all(np.isfinite(slope).all() for slope in jax.tree.leaves(slopes))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("number", [float, np.float32, jnp.float32, np.float64])
def test_strength_of_any_type_keeps_half_precision(dtype, number):
    # jaxopt: a float32 strength makes float32 parameters.
    params = {"fc": {"kernel": leaf_with_a_zero_group(dtype)}}
    for regularizer in (
        sgl.Regularizer(sgl.L1(number(0.5)), sgl.by_neuron()),
        sgl.Regularizer(sgl.ElasticNet(number(0.5), number(0.25))),
        sgl.SparseGroup(sgl.L1(number(0.5)), sgl.L1(number(0.5))),
    ):
        found = regularizer.prox(params, number(0.5))
        assert found["fc"]["kernel"].dtype == dtype


@pytest.mark.parametrize("number", [int, float, np.float32, jnp.float32])
def test_elastic_net_of_a_tree_takes_numbers_of_any_type(number):
    # jaxopt: both must be Python floats.
    params = {"a": jnp.array([3.0, -0.5]), "b": {"c": jnp.array([[5.0]])}}
    found = sgl.Regularizer(sgl.ElasticNet(number(1), number(1))).prox(params, number(1))
    np.testing.assert_allclose(found["a"], [1.0, 0.0])
    np.testing.assert_allclose(found["b"]["c"], [[2.0]])


# nemos, torchao


@pytest.mark.parametrize("name", oracles.SHAPES)
@pytest.mark.parametrize("axes", [(), (1,)])
def test_zero_strength_leaves_zeros_and_their_neighbours(name, axes):
    # nemos: every group is NaN; torchao: 0 / 0 in the first step of a tensor of zeros.
    w = leaf_with_a_zero_group()
    for lam, step in ((0.0, 0.5), (0.5, 0.0), (0.0, 0.0)):
        np.testing.assert_array_equal(prox(sgl.PENALTIES[name](lam), w, step, axes), w)
        np.testing.assert_array_equal(prox(sgl.PENALTIES[name](lam), 0 * w, step, axes), 0 * w)


@pytest.mark.parametrize("name", oracles.SHAPES)
def test_zero_group_does_not_spoil_the_gradient_of_others(name):
    # nemos: one zero group makes the reverse-mode gradient of every group NaN.
    def loss(w):
        return jnp.sum(sgl.PENALTIES[name](0.1).prox(w, 0.5, (1,)) ** 2)

    slopes = jax.jit(jax.grad(loss))
    np.testing.assert_allclose(
        slopes(leaf_with_a_zero_group())[1], slopes(jnp.array([[3.0, -4.0]]))[0], rtol=1e-6
    )
    assert np.isfinite(slopes(leaf_with_a_zero_group())).all()


# scico


def test_l1_minus_l2_is_right_on_two_hundred_pairs():
    w = np.random.default_rng(0).normal(size=(200, 2))
    with jax.enable_x64(True):
        z = np.asarray(prox(sgl.L1MinusL2(0.7), jnp.asarray(w), 0.9, (1,)))
    cost = 0.63 * (np.abs(z).sum(1) - np.linalg.norm(z, axis=1)) + ((z - w) ** 2).sum(1) / 2
    least = minima.least_cost_l1_minus_l2(w, np.full(200, 0.9), 0.7, 1.0)
    np.testing.assert_allclose(cost, least, rtol=1e-12, atol=1e-15)


# skglm


def test_mcp_is_right_once_the_step_exceeds_gamma():
    # skglm: 18 of these 61 points are 0 where the input is the minimiser.
    w = np.linspace(-WIDTH * 1.5, WIDTH * 1.5, 61)
    z = assert_least("mcp", w, 6.0, 1.0, gamma=3.0)
    threshold = np.sqrt(18)
    np.testing.assert_array_equal(z, np.where(np.abs(w) > threshold, w, 0.0))


@pytest.mark.parametrize("step", [2.7 - 1e-9, 2.7, 2.7 + 1e-9, 4.0])
def test_scad_is_right_where_its_slope_is_infinite(step):
    # skglm: NaN at step = a - 1; pyproximal: wrong beyond it.
    assert_least("scad", np.linspace(-WIDTH, WIDTH, 61), step, 0.8, a=3.7)


@pytest.mark.parametrize("q", [0.5, float(np.float32(2 / 3)), 0.3])
def test_lq_of_a_zero_block_is_zero(q):
    # skglm: a division by zero.
    found = prox(sgl.Lq(0.5, q), leaf_with_a_zero_group(), 1.0, (1,))
    np.testing.assert_array_equal(found[0], 0.0)
    assert np.all(found[1] != 0)


# pyproximal


@pytest.mark.parametrize("strength", [0.1, 0.5, 1.0, 2.0, 5.0])
def test_l0_thresholds_at_the_root_of_twice_the_strength(strength):
    # pyproximal: at the strength itself.
    w = np.linspace(-WIDTH, WIDTH, 81)
    z = assert_least("l0", w, strength, 1.0)
    np.testing.assert_array_equal(z, np.where(np.abs(w) > np.sqrt(2 * strength), w, 0.0))


@pytest.mark.parametrize("step", [0.1, 1.0, 3.0])
def test_log_sum_is_the_minimum_of_the_documented_objective(step):
    # pyproximal: half the strength, and a local minimum.
    assert_least("log_sum", np.linspace(-WIDTH, WIDTH, 81), step, 1.0, gamma=0.5)


@pytest.mark.parametrize("step", [0.5, 1.0, 1.5, 4.0])
def test_quadratic_envelope_of_l0_becomes_a_hard_threshold(step):
    # It is MCP of gamma 1; pyproximal returns its input where the step exceeds 1.
    mu = 0.8
    w = np.linspace(-WIDTH, WIDTH, 81)
    z = assert_least("mcp", w, step, np.sqrt(2 * mu), gamma=1.0)
    if step > 1:
        np.testing.assert_array_equal(z, np.where(w**2 > 2 * mu * step, w, 0.0))


# fastprox


@pytest.mark.parametrize("gamma", [0.25, 0.5, 1.0])
def test_mcp_answers_for_every_gamma_and_in_half_precision(gamma):
    # fastprox: refused, both.
    w = np.linspace(-WIDTH, WIDTH, 65)
    assert_least("mcp", w, 0.5, 1.0, gamma=gamma)
    half = jnp.asarray(w, jnp.bfloat16)
    found = prox(sgl.MCP(1.0, gamma), half, 0.5)
    assert found.dtype == jnp.bfloat16
    wide = prox(sgl.MCP(1.0, gamma), half.astype(jnp.float32), 0.5)
    np.testing.assert_array_equal(found, wide.astype(jnp.bfloat16))
